import assert from 'node:assert/strict';
import { rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLoader, type PassOptions } from '../../../src/data/loader.js';
import type { NativeBatch, NativeFileList } from '../../../src/native/contract/data.js';
import { native } from '../../../src/native/load.js';
import { pictureImage } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';

const CROP = { kind: 'random', size: 48, resize: 48, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0.5 } as const;

/** JPEGs of several sizes and orientations, too small to be reduced, and two files of other formats. */
async function pictures(t: TestContext): Promise<readonly string[]> {
  const folder = await temporaryDirectory(t);
  const paths: string[] = [];
  for (let i = 0; i < 12; i++) {
    const image = pictureImage(90 + 7 * i, 80).withMetadata({ orientation: (i % 8) + 1 });
    const path = join(folder, `${i}.${['png', 'webp'][i] ?? 'jpg'}`);
    await image.toFile(path);
    paths.push(path);
  }
  return paths;
}

async function pass(files: NativeFileList, o: Partial<PassOptions>): Promise<readonly NativeBatch[]> {
  const loader = openLoader({ crop: CROP, batchSize: 5, epoch: 0, seed: 1, training: true, files, ...o });
  try {
    const batches: NativeBatch[] = [];
    for (let batch = await loader.next('uint8'); batch !== null; batch = await loader.next('uint8'))
      batches.push(batch);
    return batches;
  } finally {
    loader.dispose();
  }
}

function listOf(paths: readonly string[]): NativeFileList {
  return new (native().FileList)(paths, new Int32Array(paths.length));
}

test('with a cache batches are the same, and a second epoch reads no file', async (t) => {
  const paths = await pictures(t);
  const files = listOf(paths);
  const epochs = [0, 1, 2];
  const wanted = await Promise.all(epochs.map((epoch) => pass(files, { epoch })));
  const imageCache = new (native().ImageCache)(null);
  t.after(() => imageCache.dispose());
  assert.ok(imageCache.limit > 1e7);
  assert.deepEqual(await pass(files, { imageCache, workers: 3 }), wanted[0]);
  assert.equal(imageCache.held().images, paths.length);
  for (const path of paths) await rm(path);
  for (const epoch of epochs) assert.deepEqual(await pass(files, { epoch, imageCache, workers: 3 }), wanted[epoch]);
  // Another list of the same files shares what is held.
  assert.deepEqual(await pass(listOf(paths), { imageCache }), wanted[0]);
  await assert.rejects(pass(files, {}), { code: 'ERR_IMAGE_DECODE' });
});

test('of centre views the view itself is kept where it is no larger, and is mirrored as the epoch has it', async (t) => {
  const paths = await pictures(t);
  const files = listOf(paths);
  const imageCache = new (native().ImageCache)(null);
  t.after(() => imageCache.dispose());
  const center = { kind: 'center', size: 48, resize: 56, scale: [1, 1], ratio: [1, 1], flip: 0.5 } as const;
  const other = { ...center, resize: 64 };
  const enlarged = { ...center, size: 200, resize: 200 };
  const epochs = [0, 1, 2];
  const wanted = async (crop: PassOptions['crop']) =>
    await Promise.all(epochs.map((epoch) => pass(files, { crop, epoch })));
  const [centers, others, large] = [await wanted(center), await wanted(other), await wanted(enlarged)];
  assert.notDeepEqual(centers[0]?.[0]?.images, centers[1]?.[0]?.images);
  // Which view is seen first, mirrored or not, does not matter.
  assert.deepEqual(await pass(files, { crop: center, epoch: 1, imageCache, workers: 3 }), centers[1]);
  const view = 48 * 48 * 3;
  assert.deepEqual(imageCache.held(), { images: paths.length, bytes: paths.length * view });
  const planned = imageCache.plan(Int32Array.of(90, 80, 1), center, 0);
  assert.deepEqual(planned, { images: 1, bytes: view });
  assert.deepEqual(await pass(files, { crop: other, epoch: 0, imageCache }), others[0]);
  assert.deepEqual(imageCache.held(), { images: 2 * paths.length, bytes: 2 * paths.length * view });
  // Views that are larger than their pictures are made of these each time.
  assert.deepEqual(await pass(files, { crop: enlarged, epoch: 0, imageCache }), large[0]);
  assert.ok(imageCache.held().bytes < 2 * paths.length * view + paths.length * 200 * 200 * 3);
  assert.equal(imageCache.held().images, 3 * paths.length);
  for (const path of paths) await rm(path);
  for (const epoch of epochs) {
    assert.deepEqual(await pass(files, { crop: center, epoch, imageCache, workers: 3 }), centers[epoch]);
    assert.deepEqual(await pass(files, { crop: other, epoch, imageCache }), others[epoch]);
    assert.deepEqual(await pass(files, { crop: enlarged, epoch, imageCache }), large[epoch]);
  }
});

test('what does not fit is decoded each time, and a broken file is not kept', async (t) => {
  const paths = await pictures(t);
  const files = listOf(paths);
  const imageCache = new (native().ImageCache)(100_000);
  t.after(() => imageCache.dispose());
  await writeFile(paths[3] ?? '', 'no picture');
  for (const epoch of [0, 1]) {
    const o = { epoch, skipCorrupt: true };
    assert.deepEqual(await pass(files, { ...o, imageCache, workers: 4 }), await pass(files, o));
    const held = imageCache.held();
    assert.ok(held.images > 1 && held.images < paths.length - 1, `${held.images}`);
    assert.ok(held.bytes <= 100_000);
  }
  assert.throws(
    () => openLoader({ crop: CROP, batchSize: 1, epoch: 0, seed: 0, training: true, files, imageCache: {} as never }),
    {
      code: 'ERR_INVALID_ARGUMENT',
      message: /imageCache/,
    },
  );
});

test('a file that was changed is read again, and its earlier picture leaves', async (t) => {
  const paths = await pictures(t);
  const files = listOf(paths);
  const imageCache = new (native().ImageCache)(null);
  t.after(() => imageCache.dispose());
  await pass(files, { imageCache });
  const centers = new (native().ImageCache)(null);
  t.after(() => centers.dispose());
  await pass(files, { crop: { ...CROP, kind: 'center' }, imageCache: centers });
  const before = imageCache.held();
  // Of another size, and of the same time; and the same, of another time.
  const [first = '', second = ''] = paths.slice(2);
  const { atime, mtime } = await stat(first);
  await pictureImage(60, 60).jpeg().toFile(first);
  await utimes(first, atime, mtime);
  await utimes(second, new Date(2001, 1, 1), new Date(2001, 1, 1));
  const fresh = await pass(files, {});
  const crop = { ...CROP, kind: 'center' } as const;
  const freshCenter = await pass(files, { crop });
  assert.deepEqual(await pass(files, { crop, imageCache: centers }), freshCenter);
  assert.equal(centers.held().images, paths.length);
  assert.deepEqual(await pass(files, { imageCache, workers: 3 }), fresh);
  const after = imageCache.held();
  assert.equal(after.images, before.images);
  assert.ok(after.bytes < before.bytes);
  for (const path of paths) await rm(path);
  assert.deepEqual(await pass(files, { imageCache }), fresh);
});
