import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type ImageInput, Predictor } from '../../src/index.js';
import { fails } from '../support/fails.js';
import { input, makePlace, type Place } from './support/place.js';

let place: Place;
let predictor: Predictor;

before(async () => {
  place = await makePlace();
  predictor = await Predictor.load(place.checkpoint, { ...input, maxBytes: 20_000, maxQueue: 4 });
});

after(async () => {
  predictor.dispose();
  await place.remove();
});

interface Source {
  readonly stream: ImageInput;
  readonly closed: () => boolean;
}

/** Streams that give the chunks and then nothing more, nor an end. */
const stalled: readonly (readonly [string, (chunks?: readonly Uint8Array[]) => Source])[] = [
  [
    'a stream of Node is destroyed',
    (chunks = []) => {
      const stream = new Readable({ read() {} });
      for (const chunk of chunks) stream.push(chunk);
      return { stream, closed: () => stream.destroyed };
    },
  ],
  [
    'a web stream is cancelled',
    (chunks = []) => {
      let cancelled = false;
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const chunk of chunks) controller.enqueue(chunk);
        },
        cancel() {
          cancelled = true;
        },
      });
      return { stream, closed: () => cancelled };
    },
  ],
  [
    'an async iterator is returned from',
    (chunks = []) => {
      const left = [...chunks];
      let returned = false;
      const iterator = {
        next: () => {
          const value = left.shift();
          return value === undefined ? new Promise<never>(() => {}) : Promise.resolve({ done: false as const, value });
        },
        return: async () => {
          returned = true;
          return { done: true as const, value: undefined };
        },
      };
      let begun = false;
      const begin = () => {
        begun = true;
        return iterator;
      };
      // Of one that was not begun there is nothing to close.
      return { stream: { [Symbol.asyncIterator]: begin }, closed: () => returned || !begun };
    },
  ],
];

/** Streams are closed in their own turns. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

describe('a stream that is not read to its end', () => {
  for (const [what, make] of stalled) {
    it(`at a time-out: ${what}`, async () => {
      const { stream, closed } = make([place.bytes[0].subarray(0, 10)]);
      await assert.rejects(predictor.predict(stream, { timeoutMs: 20 }), fails('ERR_DEADLINE', /20 ms/));
      await settle();
      assert.equal(closed(), true);
    });

    it(`at an abort, one by one and in an array: ${what}`, async () => {
      for (const many of [false, true]) {
        const { stream, closed } = make();
        const controller = new AbortController();
        const call = predictor.predict(many ? [place.files[0], stream] : [stream], { signal: controller.signal });
        await turn();
        controller.abort(new Error('enough'));
        await assert.rejects(call, /enough/);
        await settle();
        assert.equal(closed(), true);
      }
    });

    it(`when it is too long: ${what}`, async () => {
      const { stream, closed } = make([Buffer.alloc(15_000), Buffer.alloc(15_000)]);
      await assert.rejects(predictor.predict(stream), fails('ERR_IMAGE_TOO_LARGE', /maxBytes/));
      await settle();
      assert.equal(closed(), true);
    });

    it(`when it gives what is no bytes: ${what}`, async () => {
      const { stream, closed } = make([7 as unknown as Uint8Array].slice(what.includes('Node') ? 1 : 0));
      if (what.includes('Node')) (stream as Readable).setEncoding('utf8').push('text');
      await assert.rejects(predictor.predict(stream), fails('ERR_INVALID_ARGUMENT', /must give Buffers/));
      await settle();
      assert.equal(closed(), true);
    });
  }

  it('since another image of the call failed', async () => {
    const [first, second] = [new Readable({ read() {} }), new Readable({ read() {} })];
    await assert.rejects(predictor.predict([first, Buffer.from('broken'), second]), { code: 'ERR_IMAGE_DECODE' });
    assert.equal(first.destroyed, true);
    assert.equal(second.destroyed, true);
  });

  it('since the call was refused', async () => {
    for (const [options, busy] of [
      [{ topK: 9 }, false],
      [{ signal: AbortSignal.abort() }, false],
      [{}, true],
    ] as const) {
      const stream = new Readable({ read() {} });
      const others = busy ? Promise.all([1, 2, 3, 4].map(() => predictor.predict(place.files[0]))) : undefined;
      await assert.rejects(predictor.predict(stream, options));
      assert.equal(stream.destroyed, true);
      await others;
    }
  });
});

describe('a stream that fails', () => {
  it('says so, with its own error as the cause', async () => {
    const failure = new Error('the line is dead');
    const dead = new Readable({
      read() {
        this.destroy(failure);
      },
    });
    await assert.rejects(predictor.predict(dead), (error: Error) => {
      assert.equal(error.cause, failure);
      return fails('ERR_FILE', /given as data.*the line is dead/)(error);
    });
    await assert.rejects(
      predictor.predict(createReadStream(join(place.folder, 'nowhere'))),
      fails('ERR_FILE', /ENOENT/),
    );
  });

  it('is no corrupt image that might be skipped', async () => {
    async function* torn(): AsyncGenerator<Uint8Array> {
      yield place.bytes[0].subarray(0, 10);
      throw new Error('the line is dead');
    }
    await assert.rejects(predictor.predict([place.files[0], torn()], { skipCorrupt: true }), fails('ERR_FILE', /dead/));
  });

  it('is told of where it is read by another already', async () => {
    const stream = new Blob(['x']).stream();
    const reader = stream.getReader();
    await assert.rejects(predictor.predict(stream), fails('ERR_FILE', /locked/));
    reader.releaseLock();
  });
});
