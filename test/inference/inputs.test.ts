import assert from 'node:assert/strict';
import { openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import sharp from 'sharp';
import { type ImageInput, type Prediction, Predictor, ResNet50, ResnetTorchError } from '../../src/index.js';
import { fails } from '../support/fails.js';
import { input, makePlace, type Place, same, shares } from './support/place.js';

let place: Place;
let predictor: Predictor;
/** Of each picture by its path. */
let expected: readonly Prediction[];

before(async () => {
  place = await makePlace();
  predictor = await Predictor.load(place.checkpoint, { ...input, maxBytes: 20_000 });
  expected = await predictor.predict(place.files);
  for (const [one, other] of [
    [0, 1],
    [1, 2],
    [0, 2],
  ] as const) {
    assert.ok(
      !same(expected[one] as Prediction, expected[other] as Prediction),
      'pictures that look alike prove nothing',
    );
  }
});

after(async () => {
  predictor.dispose();
  await place.remove();
});

/** A value that is made in a realm of its own, as test runners and sandboxes do. */
function elsewhere(code: string, given: object = {}): unknown {
  return runInContext(code, createContext({ ...given }));
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function resizable(bytes: Uint8Array): ArrayBuffer {
  const Resizable = ArrayBuffer as unknown as new (length: number, o: { maxByteLength: number }) => ArrayBuffer;
  const buffer = new Resizable(bytes.length, { maxByteLength: 2 * bytes.length });
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

const kinds: readonly (readonly [string, (bytes: Buffer, file: string) => unknown])[] = [
  ['a Buffer', (bytes) => bytes],
  ['a part of a buffer', (bytes) => new Uint8Array(arrayBuffer(Buffer.concat([Buffer.alloc(3), bytes])), 3)],
  ['a Uint8ClampedArray', (bytes) => Uint8ClampedArray.from(bytes)],
  ['an ArrayBuffer', arrayBuffer],
  [
    'a DataView of a part',
    (bytes) => new DataView(arrayBuffer(Buffer.concat([bytes, Buffer.alloc(5)])), 0, bytes.length),
  ],
  ['a SharedArrayBuffer', shared],
  ['a Buffer over shared memory', (bytes) => Buffer.from(shared(bytes))],
  ['a resizable ArrayBuffer', resizable],
  ['a view of a resizable ArrayBuffer', (bytes) => new Uint8Array(resizable(bytes))],
  ['a Blob', (bytes) => new Blob([Uint8Array.from(bytes)])],
  ['a Blob of a file', (_, file) => openAsBlob(file)],
  ['a Uint8Array of another realm', (bytes) => elsewhere('Uint8Array.from(bytes)', { bytes })],
  ['an ArrayBuffer of another realm', (bytes) => elsewhere('Uint8Array.from(bytes).buffer', { bytes })],
  ['a DataView of another realm', (bytes) => elsewhere('new DataView(Uint8Array.from(bytes).buffer)', { bytes })],
  ['a file: URL', (_, file) => pathToFileURL(file)],
  ['a file: URL as a string', (_, file) => pathToFileURL(file).href],
  ['a data: URL', (bytes) => new URL(`data:image/png;base64,${bytes.toString('base64')}`)],
  ['a data: URL as a string', (bytes) => `data:image/png;base64,${bytes.toString('base64')}`],
  ['a data: URL with percent signs', (bytes) => `DATA:image/png,${escaped(bytes)}`],
  ['a stream of Node', (bytes) => Readable.from([bytes.subarray(0, 50), bytes.subarray(50)])],
  ['a web stream', (bytes) => new Blob([Uint8Array.from(bytes)]).stream()],
  ['the body of a response', (bytes) => new Response(Uint8Array.from(bytes)).body],
  [
    'an async generator of another realm',
    (bytes) => elsewhere('(async function* () { yield new Uint8Array(bytes) })()', { bytes }),
  ],
];

function escaped(bytes: Buffer): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

describe('an image may be', () => {
  for (const [what, make] of kinds) {
    it(what, async () => {
      const path = /file: URL/.test(what) ? place.files : [null, null, null];
      const made = await Promise.all(
        place.bytes.map(async (bytes, i) => (await make(bytes, place.files[i] ?? '')) as ImageInput),
      );
      // One alone, and three together, each in its place.
      const again = (await make(place.bytes[1], place.files[1])) as ImageInput;
      const [alone, together] = await Promise.all([predictor.predict(again), predictor.predict(made)]);
      assert.ok(same(alone, expected[1] as Prediction), `alone: ${shares(alone)}`);
      assert.deepEqual(
        together.map(({ file }) => file),
        path,
      );
      for (const [i, one] of together.entries())
        assert.ok(same(one, expected[i] as Prediction), `${i}: ${shares(one)}`);
    });
  }

  it('pixels in any memory, of any realm', async () => {
    const { data } = await sharp(place.files[2]).raw().toBuffer({ resolveWithObject: true });
    const pixels = [
      data,
      shared(data),
      elsewhere('Uint8ClampedArray.from(data)', { data }),
      elsewhere('new DataView(Uint8Array.from(data).buffer)', { data }),
    ];
    for (const each of pixels) {
      const raw = { data: each, width: 60, height: 60, channels: 3 } as ImageInput;
      assert.ok(same(await predictor.predict(raw), expected[2] as Prediction));
    }
  });
});

describe('a buffer may be reused', () => {
  const overwritten = (bytes: Uint8Array): Uint8Array => bytes.fill(0);

  it('as soon as predict() has returned', async () => {
    const bytes = Uint8Array.from(place.bytes[0]);
    const call = predictor.predict(bytes);
    overwritten(bytes);
    assert.ok(same(await call, expected[0] as Prediction));
  });

  it('also those of an array, and the array itself', async () => {
    const images: ImageInput[] = place.bytes.map((bytes) => Uint8Array.from(bytes));
    // Fewer are under way at a time than there are images.
    using narrow = await Predictor.load(place.checkpoint, { ...input, maxQueue: 1 });
    const call = narrow.predict(images);
    for (const bytes of images.splice(0)) overwritten(bytes as Uint8Array);
    for (const [i, one] of (await call).entries()) assert.ok(same(one, expected[i] as Prediction), `${i}`);
  });

  it('by a stream between its chunks', async () => {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      const memory = new Uint8Array(64);
      for (let at = 0; at < place.bytes[1].length; at += memory.length) {
        const part = place.bytes[1].subarray(at, at + memory.length);
        memory.set(part);
        yield memory.subarray(0, part.length);
      }
    }
    assert.ok(same(await predictor.predict(chunks()), expected[1] as Prediction));
  });
});

describe('what is no image is refused in its own words', () => {
  const transferred = (bytes: Uint8Array): ArrayBuffer => {
    const buffer = arrayBuffer(bytes);
    structuredClone(buffer, { transfer: [buffer] });
    return buffer;
  };
  const cases: readonly (readonly [string, () => unknown, Parameters<typeof fails>[0], RegExp])[] = [
    ['an address', () => 'https://example.org/a.jpg', 'ERR_INVALID_ARGUMENT', /a\.jpg.*Fetch it.*\.body/],
    ['an address as a URL', () => new URL('http://example.org/a.jpg'), 'ERR_INVALID_ARGUMENT', /Fetch it/],
    [
      'a file: URL of another machine',
      () => 'file://elsewhere/a.jpg',
      'ERR_INVALID_ARGUMENT',
      /no URL of a file on this/,
    ],
    ['an empty path', () => '', 'ERR_INVALID_ARGUMENT', /empty string/],
    [
      'base64 without a head',
      () => place.bytes[0].toString('base64').repeat(40),
      'ERR_INVALID_ARGUMENT',
      /too long for a path.*base64/,
    ],
    ['a data: URL without a comma', () => 'data:image/png;base64', 'ERR_IMAGE_DECODE', /no comma/],
    [
      'a data: URL with other signs',
      () => 'data:image/png;base64,aaa*',
      'ERR_IMAGE_DECODE',
      /characters that are none/,
    ],
    ['a data: URL that is cut off', () => 'data:image/png;base64,aaaaa', 'ERR_IMAGE_DECODE', /cut off/],
    ['a data: URL of nothing', () => 'data:,', 'ERR_IMAGE_DECODE', /empty \(0 bytes\)/],
    ['a data: URL that is too long', () => `data:;base64,${'a'.repeat(40_000)}`, 'ERR_IMAGE_TOO_LARGE', /20000/],
    ['an empty ArrayBuffer', () => new ArrayBuffer(0), 'ERR_IMAGE_DECODE', /empty \(0 bytes\)/],
    ['an empty Blob', () => new Blob([]), 'ERR_IMAGE_DECODE', /empty \(0 bytes\)/],
    ['an empty stream', () => Readable.from([]), 'ERR_IMAGE_DECODE', /empty.*read once/],
    ['a Blob that is too large', () => new Blob([new Uint8Array(20_001)]), 'ERR_IMAGE_TOO_LARGE', /maxBytes/],
    ['memory that was transferred', () => transferred(place.bytes[0]), 'ERR_INVALID_ARGUMENT', /transferred away/],
    [
      'a DataView of memory that was transferred',
      () => {
        const buffer = arrayBuffer(place.bytes[0]);
        const view = new DataView(buffer);
        structuredClone(buffer, { transfer: [buffer] });
        return view;
      },
      'ERR_INVALID_ARGUMENT',
      /DataView whose memory was transferred away/,
    ],
    [
      'a view of a buffer that shrank',
      () => {
        const buffer = resizable(place.bytes[0]);
        const view = new DataView(buffer, 10, 10);
        (buffer as unknown as { resize(length: number): void }).resize(4);
        return view;
      },
      'ERR_INVALID_ARGUMENT',
      /beyond the end of its buffer/,
    ],
    ['numbers', () => new Float32Array(12), 'ERR_INVALID_ARGUMENT', /not a Float32Array/],
    ['a promise', () => Promise.resolve(place.bytes[0]), 'ERR_INVALID_ARGUMENT', /a Promise, which must be awaited/],
    ['a response', () => new Response('x'), 'ERR_INVALID_ARGUMENT', /not a Response/],
    ['a stream of text', () => Readable.from(['text']), 'ERR_INVALID_ARGUMENT', /must give Buffers, not "text"/],
    ['nothing', () => null, 'ERR_INVALID_ARGUMENT', /not null/],
  ];
  for (const [what, make, code, message] of cases) {
    it(what, async () => {
      const refuses = fails(code, message);
      const short = (error: unknown): boolean => refuses(error) && (error as Error).message.length < 600;
      await assert.rejects(predictor.predict(make() as ImageInput), short);
      // Of an array it is said which one, and a stream says the same.
      await assert.rejects(predictor.predict([place.files[0], make() as ImageInput]), short);
      await assert.rejects(async () => {
        for await (const _ of predictor.stream([make() as ImageInput])) assert.fail();
      }, short);
    });
  }

  it('and a long path is named by its beginning', async () => {
    await assert.rejects(predictor.predict(`/${'long/'.repeat(700)}a.jpg`), (error: Error) => {
      assert.ok(error.message.length < 600, error.message);
      return fails('ERR_DATASET', /There is no image or folder \/long\/long/)(error);
    });
  });
});

describe('from another realm', () => {
  it('the whole of it works with typed arrays, errors and signals of its own', async () => {
    const model = await ResNet50.load(place.checkpoint, { device: 'cpu' });
    const run = elsewhere(
      `(async () => {
        const bytes = new Uint8Array(photo);
        const [one, many] = await Promise.all([predictor.predict(bytes), predictor.predict([bytes.buffer, new DataView(bytes.buffer)])]);
        const streamed = [];
        async function* images() { yield bytes; yield [] ; }
        for await (const entry of predictor.stream(images(), { stopOnError: false })) streamed.push(entry);
        const shape = [1, 3, 32, 32];
        const logits = await model.forward(new Float32Array(3 * 32 * 32).fill(0.5), shape);
        const wide = await model.forward(new Float64Array(3 * 32 * 32).fill(0.5), shape);
        const shared = new Float32Array(new SharedArrayBuffer(4 * 3 * 32 * 32)).fill(0.5);
        const same = await model.forward(shared, shape);
        let reason;
        try { await predictor.predict(bytes, { signal: aborted }); } catch (error) { reason = error; }
        return { one, many, streamed, logits, wide, same, reason };
      })()`,
      { photo: place.bytes[0], predictor, model, aborted: AbortSignal.abort('enough') },
    ) as Promise<
      Record<'one' | 'reason', Prediction> &
        Record<'many' | 'streamed', readonly Prediction[]> &
        Record<'logits' | 'wide' | 'same', { data: Float32Array }>
    >;
    const { one, many, streamed, logits, wide, same: equal, reason } = await run;
    for (const each of [one, ...many, streamed[0] as Prediction]) assert.ok(same(each, expected[0] as Prediction));
    const [, failed] = streamed as unknown as readonly { error: ResnetTorchError }[];
    assert.ok(failed?.error instanceof ResnetTorchError);
    assert.match(failed.error.message, /images\[1\].*not an array/);
    assert.equal(logits.data.length, 3);
    assert.deepEqual([...wide.data], [...logits.data]);
    assert.deepEqual([...equal.data], [...logits.data]);
    assert.equal(reason, 'enough');
    model.dispose();
  });

  it('numbers of the wrong kind are refused in words', async () => {
    using model = await ResNet50.load(place.checkpoint, { device: 'cpu' });
    const forward = (images: unknown) => model.forward(images as Float32Array, [1, 3, 32, 32]);
    await assert.rejects(
      forward(elsewhere('new Int32Array(3072)')),
      fails('ERR_INVALID_ARGUMENT', /not an Int32Array/),
    );
    await assert.rejects(forward([1, 2]), fails('ERR_INVALID_ARGUMENT', /images must be a Float32Array.*an array/));
    const lost = new Float32Array(3072);
    structuredClone(lost.buffer, { transfer: [lost.buffer] });
    await assert.rejects(forward(lost), fails('ERR_INVALID_ARGUMENT', /transferred away/));
  });
});
