import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type FailedPrediction, type ImageInput, type Prediction, Predictor } from '../../src/index.js';
import { fails } from '../support/fails.js';
import { input, makePlace, type Place, same } from './support/place.js';

let place: Place;
let predictor: Predictor;
let expected: readonly Prediction[];

before(async () => {
  place = await makePlace();
  predictor = await Predictor.load(place.checkpoint, { ...input, maxBatch: 4 });
  expected = await predictor.predict(place.files);
});

after(async () => {
  predictor.dispose();
  await place.remove();
});

async function all<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

/** The pictures in turns, and how far the source was asked. */
function turns(count: number) {
  const record = { given: 0, closed: false };
  async function* images(): AsyncGenerator<ImageInput> {
    try {
      while (record.given < count) yield place.bytes[record.given++ % 3] as Buffer;
    } finally {
      record.closed = true;
    }
  }
  return { record, images: images() };
}

describe('a stream of images', () => {
  it('gives predictions in the order of the images, of whatever source', async () => {
    const sources: readonly (() => AsyncIterable<ImageInput> | Iterable<ImageInput> | ReadableStream<ImageInput>)[] = [
      () => turns(7).images,
      () => Array.from({ length: 7 }, (_, i) => place.bytes[i % 3] as Buffer),
      () => Readable.from(Array.from({ length: 7 }, (_, i) => place.bytes[i % 3] as Buffer)),
      () =>
        new ReadableStream<ImageInput>({
          start(controller) {
            for (let i = 0; i < 7; i++) controller.enqueue(place.bytes[i % 3] as Buffer);
            controller.close();
          },
        }),
    ];
    for (const source of sources) {
      const found = await all(predictor.stream(source(), { concurrency: 3 }));
      assert.equal(found.length, 7);
      for (const [i, entry] of found.entries()) assert.ok(same(entry, expected[i % 3] as Prediction), `${i}`);
    }
  });

  it('takes a folder for the images in it, and gives features and as many classes as are asked for', async () => {
    const found = await all(
      predictor.stream([join(place.folder, 'pictures'), place.bytes[0]], { topK: 1, features: true }),
    );
    assert.deepEqual(
      found.map(({ file }) => file),
      [...place.files, null],
    );
    assert.equal(found[3]?.predictions.length, 1);
    assert.deepEqual(found[3]?.features.length, 2048);
    const difference = found[3]?.features.map((value, i) => Math.abs(value - (found[0]?.features[i] ?? 0)));
    assert.ok(Math.max(...(difference ?? [1])) < 1e-5);
  });

  it('makes the source wait for a slow consumer', async () => {
    const { record, images } = turns(100);
    let taken = 0;
    for await (const _ of predictor.stream(images, { concurrency: 4 })) {
      for (let i = 0; i < 10; i++) await turn();
      taken++;
      assert.ok(record.given <= taken + 4, `${record.given} asked for when ${taken} were taken`);
      if (taken === 12) break;
    }
    assert.equal(record.closed, true, 'break closes the source');
    assert.ok(record.given <= 16);
  });

  it('copies bytes before it asks for the next image', async () => {
    async function* images(): AsyncGenerator<ImageInput> {
      const memory = new Uint8Array(100_000);
      for (const bytes of place.bytes) {
        memory.set(bytes);
        yield memory.subarray(0, bytes.length);
        memory.fill(0);
      }
    }
    const found = await all(predictor.stream(images()));
    for (const [i, entry] of found.entries()) assert.ok(same(entry, expected[i] as Prediction), `${i}`);
    assert.equal(found.length, 3);
  });

  it('ends with the first image that fails, after those before it', async () => {
    const { record, images } = turns(100);
    async function* withBroken(): AsyncGenerator<ImageInput> {
      yield place.files[0];
      yield Buffer.from('broken');
      yield* images;
    }
    const found: Prediction[] = [];
    await assert.rejects(
      async () => {
        for await (const entry of predictor.stream(withBroken(), { concurrency: 2 })) found.push(entry);
      },
      fails('ERR_IMAGE_DECODE', /images\[1\]/),
    );
    assert.equal(found.length, 1);
    assert.ok(record.given <= 2);
    await predictor.predict(place.files[0]);
  });

  it('goes on behind an image that fails where it may, with its error in its place', async () => {
    const broken = join(place.folder, 'broken.jpg');
    await writeFile(broken, 'no image');
    const nowhere = join(place.folder, 'nowhere.jpg');
    async function* torn(): AsyncGenerator<Uint8Array> {
      yield place.bytes[0].subarray(0, 10);
      throw new Error('the line is dead');
    }
    const source = [place.files[0], broken, nowhere, new Uint8Array(0), 7 as unknown as string, torn(), place.files[1]];
    const found = await all(predictor.stream(source, { stopOnError: false }));
    const failed = found.filter((entry): entry is FailedPrediction => 'error' in entry);
    assert.deepEqual(
      failed.map(({ file, error }) => [file, error.code]),
      [
        [broken, 'ERR_IMAGE_DECODE'],
        [nowhere, 'ERR_DATASET'],
        [null, 'ERR_IMAGE_DECODE'],
        [null, 'ERR_INVALID_ARGUMENT'],
        [null, 'ERR_FILE'],
      ],
    );
    assert.match(failed[4]?.error.message ?? '', /images\[5\].*the line is dead/);
    assert.ok(same(found[0] as Prediction, expected[0] as Prediction));
    assert.ok(same(found[6] as Prediction, expected[1] as Prediction));
  });

  it('closes an image that keeps it waiting beyond its time', async () => {
    const stalled = new Readable({ read() {} });
    const found = await all(
      predictor.stream([stalled, place.files[0]], { stopOnError: false, timeoutMs: 20, concurrency: 1 }),
    );
    assert.ok(found[0] !== undefined && 'error' in found[0]);
    assert.equal(found[0].error.code, 'ERR_DEADLINE');
    assert.equal(stalled.destroyed, true);
  });

  it('ends by its signal, and closes the source and what it took of it', async () => {
    const reason = new Error('enough');
    const stalled = new Readable({ read() {} });
    const source = new Readable({ objectMode: true, read() {} });
    source.push(place.files[0]);
    source.push(stalled);
    const controller = new AbortController();
    const entries = predictor.stream(source, { signal: controller.signal });
    await entries.next();
    const waiting = entries.next();
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    await turn();
    assert.equal(source.destroyed, true);
    assert.equal(stalled.destroyed, true);
    const before = AbortSignal.abort(reason);
    await assert.rejects(predictor.stream(place.files, { signal: before }).next(), reason);
  });

  it("passes on the source's own failure", async () => {
    const failure = new Error('the database is gone');
    async function* images(): AsyncGenerator<ImageInput> {
      yield place.files[0];
      throw failure;
    }
    const entries = predictor.stream(images(), { stopOnError: false });
    assert.ok(same((await entries.next()).value as Prediction, expected[0] as Prediction));
    await assert.rejects(entries.next(), failure);
  });

  it('waits where the queue is full, and gives all places back', async () => {
    using narrow = await Predictor.load(place.checkpoint, { ...input, maxQueue: 2 });
    const streams = [1, 2, 3].map(() => all(narrow.stream(turns(5).images)));
    const found = await Promise.all(streams);
    for (const entries of found) {
      for (const [i, entry] of entries.entries()) assert.ok(same(entry, expected[i % 3] as Prediction), `${i}`);
    }
    // Both places are free again: a call that needs them is taken.
    await narrow.predict([place.files[0], place.files[1]]);
    // Whoever breaks off gives his back too.
    for await (const _ of narrow.stream(turns(50).images)) break;
    await narrow.predict(place.files[0]);
    assert.equal((await all(narrow.stream(place.files))).length, 3);
  });

  it('ends with ERR_DISPOSED when the predictor goes, after what was under way', async () => {
    const passing = await Predictor.load(place.checkpoint, input);
    const entries = passing.stream(turns(100).images, { concurrency: 2 });
    await entries.next();
    passing.dispose();
    await assert.rejects(
      async () => {
        for await (const entry of entries) assert.equal(entry.predictions.length, 3);
      },
      fails('ERR_DISPOSED', /disposed/),
    );
    assert.throws(() => passing.stream([]), fails('ERR_DISPOSED', /disposed/));
  });

  it('refuses what is no stream of images, and options that are none', () => {
    const wrong = (images: unknown, options?: object) => () => predictor.stream(images as ImageInput[], options);
    assert.throws(wrong(place.files[0]), fails('ERR_INVALID_ARGUMENT', /One image goes to predict\(\)/));
    assert.throws(wrong(place.bytes[0]), fails('ERR_INVALID_ARGUMENT', /not a Uint8Array/));
    assert.throws(wrong(new Blob([])), fails('ERR_INVALID_ARGUMENT', /not a Blob/));
    assert.throws(wrong(new Readable({ read() {} })), fails('ERR_INVALID_ARGUMENT', /not of bytes/));
    assert.throws(wrong([], { concurrency: 0 }), fails('ERR_INVALID_ARGUMENT', /concurrency must be/));
    assert.throws(wrong([], { stopOnErrors: false }), fails('ERR_INVALID_ARGUMENT', /stopOnError\?/));
    assert.throws(wrong([], { topK: 4 }), fails('ERR_INVALID_ARGUMENT', /knows 3 classes/));
    assert.throws(wrong([], { timeoutMs: -1 }), fails('ERR_INVALID_ARGUMENT', /timeoutMs/));
  });
});
