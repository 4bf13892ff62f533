import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import type { RawImage } from '../../src/data/image-input.js';
import type { Prediction } from '../../src/inference/prediction.js';
import { Predictor } from '../../src/inference/predictor.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import type { Floats } from '../../src/native/contract/model.js';
import { writeImage } from '../cli/support/images.js';

const input = { imageSize: 32, resize: 36, precision: 'fp32', workers: 1 } as const;

let folder: string;
let checkpoint: string;
let photo: string;
let bytes: Buffer;
let raw: RawImage;
/** Another picture. */
let other: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
  checkpoint = join(folder, 'model.safetensors');
  using model = await ResNet50.create({ classes: ['a', 'b', 'c'], weights: 'none', device: 'cpu', seed: 3 });
  await model.save(checkpoint);
  photo = join(folder, 'photo.png');
  await writeImage(join(folder, 'photo.jpg'), 1, 2, 60);
  await sharp(join(folder, 'photo.jpg')).png().toFile(photo);
  bytes = await readFile(photo);
  other = join(folder, 'other.jpg');
  await writeImage(other, 0, 7, 60);
  const { data } = await sharp(photo).raw().toBuffer({ resolveWithObject: true });
  raw = { data, width: 60, height: 60, channels: 3 };
});

after(() => rm(folder, { recursive: true, force: true }));

/** A stream that never ends. */
async function* endless(): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 10);
  await new Promise(() => {});
}

describe('what a predictor takes', () => {
  it('answers the same for a path, bytes, a stream and pixels, with and without alpha', async () => {
    using predictor = await Predictor.load(checkpoint, input);
    const [path, ...others] = await Promise.all([
      predictor.predict(photo),
      predictor.predict(bytes),
      predictor.predict(createReadStream(photo, { highWaterMark: 100 })),
      predictor.predict(raw),
      predictor.predict({
        data: await sharp(photo).ensureAlpha(0.5).raw().toBuffer(),
        width: 60,
        height: 60,
        channels: 4,
      }),
    ]);
    assert.equal(path.file, photo);
    assert.equal(path.predictions.length, 3);
    for (const { file, predictions } of others) {
      assert.equal(file, null);
      assert.deepEqual(
        predictions.map(({ label }) => label),
        path.predictions.map(({ label }) => label),
      );
      predictions.forEach(({ probability }, rank) => {
        assert.ok(Math.abs(probability - (path.predictions[rank]?.probability ?? 0)) < 1e-6);
      });
    }
  });

  it('takes grey pixels as red, green and blue of the same', async () => {
    using predictor = await Predictor.load(checkpoint, input);
    const grey = await sharp(photo).greyscale().raw().toBuffer();
    const colour = Buffer.from([...grey].flatMap((value) => [value, value, value]));
    const [one, three] = await predictor.predict([
      { data: grey, width: 60, height: 60, channels: 1 },
      { data: colour, width: 60, height: 60, channels: 3 },
    ]);
    assert.deepEqual(one, three);
  });

  it('gives features where they are asked for, the same alone and together', async () => {
    using predictor = await Predictor.load(checkpoint, input);
    const { features, predictions } = await predictor.predict(bytes, { features: true, topK: 1 });
    assert.equal(features.length, 2048);
    assert.equal(predictions.length, 1);
    const { features: others } = await predictor.predict(other, { features: true });
    const difference = (row: Float32Array, from: Floats) =>
      Math.max(...row.map((value, i) => Math.abs(value - (from[i] ?? 0))));
    assert.ok(difference(features, others) > 1e-2, 'pictures that look alike prove nothing');
    const rows = await predictor.features([photo, other, raw]);
    assert.deepEqual(rows.shape, [3, 2048]);
    for (const [row, expected] of [features, others, features].entries()) {
      assert.ok(difference(expected, rows.data.subarray(row * 2048, (row + 1) * 2048)) < 1e-5, `row ${row}`);
    }
    assert.equal('features' in (await predictor.predict(bytes)), false);
  });

  it('refuses what is no image, each fault in its own words', async () => {
    using predictor = await Predictor.load(checkpoint, { ...input, maxBytes: 20_000, maxPixels: 4000 });
    await assert.rejects(predictor.predict(Buffer.from('no image at all')), {
      code: 'ERR_IMAGE_DECODE',
      message: /given as data.*not an image of a format that is read/,
    });
    await assert.rejects(predictor.predict(Buffer.alloc(0)), { code: 'ERR_IMAGE_DECODE', message: /empty/ });
    await assert.rejects(predictor.predict(bytes.subarray(0, bytes.length / 2)), { code: 'ERR_IMAGE_DECODE' });
    await assert.rejects(predictor.predict(Buffer.alloc(20_001)), { code: 'ERR_IMAGE_TOO_LARGE', message: /maxBytes/ });
    const drip = async function* () {
      for (;;) yield Buffer.alloc(1000);
    };
    await assert.rejects(predictor.predict(drip()), { code: 'ERR_IMAGE_TOO_LARGE' });
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      const large = await sharp(photo).resize(64, 63).toFormat(format).toBuffer();
      await assert.rejects(predictor.predict(large), { code: 'ERR_IMAGE_TOO_LARGE', message: /64×63/ });
    }
    await assert.rejects(predictor.predict({ ...raw, width: 61 }), { code: 'ERR_SHAPE_MISMATCH', message: /10800/ });
    await assert.rejects(predictor.predict({ ...raw, channels: 2 } as unknown as RawImage), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /channels/,
    });
    await assert.rejects(predictor.predict(7 as unknown as string), { code: 'ERR_INVALID_ARGUMENT', message: /path/ });
    await assert.rejects(predictor.predict(folder), { code: 'ERR_DATASET', message: /is a folder/ });
    await assert.rejects(predictor.predict(bytes, { topk: 1 } as object), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /topK/,
    });
  });

  it('refuses a million pixels by a million by the header', async () => {
    using predictor = await Predictor.load(checkpoint, input);
    const header = Buffer.alloc(17);
    header.write('IHDR');
    header.writeUInt32BE(1_000_000, 4);
    header.writeUInt32BE(1_000_000, 8);
    header.set([8, 2, 0, 0, 0], 12);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(header));
    const bomb = Buffer.concat([bytes.subarray(0, 8), Buffer.from([0, 0, 0, 13]), header, check, bytes.subarray(33)]);
    await assert.rejects(predictor.predict(bomb), { code: 'ERR_IMAGE_TOO_LARGE', message: /1000000×1000000/ });
  });
});

describe('calls at the same time', () => {
  it('go together in batches, each with its own answer and number of classes', async () => {
    using predictor = await Predictor.load(checkpoint, { ...input, maxBatch: 8, maxDelayMs: 5000 });
    const together = await Promise.all(
      Array.from({ length: 8 }, (_, i) => predictor.predict(i % 2 === 0 ? raw : other, { topK: 1 + (i % 3) })),
    );
    assert.deepEqual(predictor.queue, { waiting: 0, batches: 1, images: 8 });
    using single = await Predictor.load(checkpoint, input);
    const alone = [await single.predict(raw), await single.predict(other)];
    const share = (of: Prediction | undefined, rank: number) => of?.predictions[rank]?.probability ?? Number.NaN;
    assert.ok(Math.abs(share(alone[0], 0) - share(alone[1], 0)) > 1e-4, 'pictures that look alike prove nothing');
    for (const [i, { predictions }] of together.entries()) {
      assert.equal(predictions.length, 1 + (i % 3));
      predictions.forEach(({ label, probability }, rank) => {
        assert.equal(label, alone[i % 2]?.predictions[rank]?.label);
        assert.ok(Math.abs(probability - share(alone[i % 2], rank)) < 1e-5);
      });
    }
  });

  it('wait for others no longer than they may', async () => {
    using predictor = await Predictor.load(checkpoint, { ...input, maxBatch: 8, maxDelayMs: 30 });
    await Promise.all([predictor.predict(raw), predictor.predict(raw)]);
    assert.deepEqual(predictor.queue, { waiting: 0, batches: 1, images: 2 });
  });

  it('are refused beyond the queue, and taken again afterwards', async () => {
    using predictor = await Predictor.load(checkpoint, { ...input, maxQueue: 2 });
    const calls = await Promise.allSettled([raw, raw, raw].map((image) => predictor.predict(image)));
    assert.deepEqual(
      calls.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
    const refused = calls[2] as PromiseRejectedResult;
    assert.equal(refused.reason.code, 'ERR_OVERLOADED');
    assert.match(refused.reason.message, /2 images are under way.*maxQueue/);
    await predictor.predict(raw);
    // An array takes no more of the queue than there is.
    assert.equal((await predictor.predict([raw, raw, raw, raw, raw])).length, 5);
  });

  it('give back every place that they took, however they end', async () => {
    using predictor = await Predictor.load(checkpoint, { ...input, maxQueue: 4 });
    const four = [raw, other, bytes, photo];
    for (const _ of [1, 2]) assert.equal((await predictor.predict(four)).length, 4);
    await assert.rejects(predictor.predict([raw, raw, raw, Buffer.from('broken')]), { code: 'ERR_IMAGE_DECODE' });
    await assert.rejects(predictor.predict([endless(), raw, raw, raw], { timeoutMs: 20 }), { code: 'ERR_DEADLINE' });
    // As many as there are places, each a call of its own.
    assert.equal((await Promise.all(four.map((image) => predictor.predict(image)))).length, 4);
  });

  it('are not computed once they have ended', async () => {
    // The one that is ended waits for others, and so is there when the next one's batch is made.
    using predictor = await Predictor.load(checkpoint, { ...input, maxBatch: 8, maxDelayMs: 50 });
    const controller = new AbortController();
    const ended = predictor.predict(raw, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(ended, /enough/);
    await predictor.predict(other);
    assert.equal(predictor.queue.images, 1);
  });

  it('may share a signal without a warning', async () => {
    using predictor = await Predictor.load(checkpoint, input);
    const warnings: Error[] = [];
    const listen = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', listen);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 30 }, () => predictor.predict(raw, { signal })));
    process.off('warning', listen);
    assert.deepEqual(warnings, []);
  });

  it('end by their deadline or their signal at once, and leave nothing behind', async () => {
    using predictor = await Predictor.load(checkpoint, input);
    await assert.rejects(predictor.predict(endless(), { timeoutMs: 20 }), { code: 'ERR_DEADLINE', message: /20 ms/ });
    const controller = new AbortController();
    const reason = new Error('enough');
    const call = predictor.predict([raw, endless()], { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await assert.rejects(call, reason);
    await assert.rejects(predictor.predict(raw, { signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(predictor.predict(raw, { timeoutMs: 0 }), { code: 'ERR_INVALID_ARGUMENT' });
    const wrong = { signal: new AbortController() as unknown as AbortSignal };
    await assert.rejects(predictor.predict(raw, wrong), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /not an AbortController/,
    });
    assert.throws(() => predictor.stream([], wrong), { code: 'ERR_INVALID_ARGUMENT' });
    await predictor.predict(raw);
    assert.equal(predictor.queue.waiting, 0);
  });

  it('of many images keep their order, and fail as a whole', async () => {
    using predictor = await Predictor.load(checkpoint, { ...input, maxBatch: 4 });
    const images = [raw, Buffer.from('broken'), photo, bytes];
    await assert.rejects(predictor.predict(images), { code: 'ERR_IMAGE_DECODE', message: /images\[1\]/ });
    const left: string[] = [];
    const done: number[] = [];
    const found = await predictor.predict(images, {
      skipCorrupt: true,
      onSkipped: (name) => left.push(name),
      onProgress: (count) => done.push(count),
    });
    assert.deepEqual(left, ['(images[1])']);
    assert.deepEqual(done, [0, 1, 2, 3, 4]);
    assert.deepEqual(
      found.map(({ file }) => file),
      [null, photo, null],
    );
    assert.deepEqual(await predictor.predict([]), []);
  });

  it('are answered although the predictor is disposed of meanwhile', async () => {
    const predictor = await Predictor.load(checkpoint, input);
    const calls = [predictor.predict(raw), predictor.predict([photo, bytes])] as const;
    predictor.dispose();
    assert.equal((await calls[0]).predictions.length, 3);
    assert.equal((await calls[1]).length, 2);
    await assert.rejects(predictor.predict(raw), { code: 'ERR_DISPOSED' });
    assert.throws(() => predictor.queue, { code: 'ERR_DISPOSED' });
  });
});

it('says which of its options is wrong', async () => {
  for (const wrong of [{ maxBatch: 0 }, { maxDelayMs: -1 }, { maxQueue: 1.5 }, { maxPixels: 0 }, { maxBytes: '1' }]) {
    const [name = ''] = Object.keys(wrong);
    await assert.rejects(Predictor.load(checkpoint, wrong as object), {
      code: 'ERR_INVALID_ARGUMENT',
      message: new RegExp(name),
    });
  }
});
