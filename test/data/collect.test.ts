import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { collectDataset, type LabelledImage } from '../../src/data/collect.js';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { temporaryDirectory } from '../support/paths.js';
import { pictureImage, writeFolders } from './fixtures.js';

const PASS = { imageSize: 32, batchSize: 4, workers: 1 } as const;

/** Different pictures in folders, some turned by EXIF, some PNG. */
async function pictures(t: TestContext, counts: Readonly<Record<string, number>>): Promise<string> {
  const root = await writeFolders(await temporaryDirectory(t), counts);
  for (const folder of Object.keys(counts)) {
    const names = await readdir(join(root, folder));
    for (const [i, name] of names.entries()) {
      const image = pictureImage(40 + 3 * i, 50 - 2 * i);
      await (i % 2 === 0 ? image.jpeg().withMetadata({ orientation: 1 + (i % 8) }) : image.png()).toFile(
        join(root, folder, name),
      );
    }
  }
  return root;
}

/** The images of a folder as an iterable gives them, in the data set's order. */
async function* given(data: Dataset, convert = (path: string): Promise<LabelledImage['image']> => readFile(path)) {
  for (const split of ['train', 'val'] as const) {
    for (const { path, label } of data.split(split).files) {
      yield { image: await convert(path), label: data.classes[label] ?? '', split, name: path };
    }
  }
}

async function all(data: Dataset, augment: 'none' | 'standard') {
  const batches = [];
  for (const split of ['train', 'val'] as const) {
    for await (const batch of data.batches({ ...PASS, split, augment, seed: 3, epoch: 2 })) batches.push(batch);
  }
  return batches;
}

test('images from an iterable come out as those of a folder do, bit for bit', async (t) => {
  const folder = await openDataset(await pictures(t, { 'train/a': 5, 'train/b': 4, 'val/a': 2, 'val/b': 2 }));
  using data = await collectDataset(given(folder));
  assert.deepEqual(data.classes, folder.classes);
  assert.deepEqual(data.splits, folder.splits);
  for (const augment of ['none', 'standard'] as const) {
    assert.deepEqual(await all(data, augment), await all(folder, augment));
  }
  folder.dispose();
});

test('pixels and streams too', async (t) => {
  const root = await pictures(t, { a: 3, b: 2 });
  const folder = await openDataset(root, { valSplit: 0.3 });
  const turned = async (path: string) => {
    const image = sharp(path).rotate().png();
    return path.endsWith('0.jpg') ? image : image.toBuffer();
  };
  using encoded = await collectDataset(given(folder, turned));
  const pixels = async (path: string) => {
    const { data, info } = await sharp(path).rotate().raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: 3 as const };
  };
  using raw = await collectDataset(given(folder, pixels));
  assert.deepEqual(await all(raw, 'standard'), await all(encoded, 'standard'));
  folder.dispose();
});

test('classes, names and the share that is held back', async (t) => {
  const folder = await openDataset(await pictures(t, { a: 10, b: 10 }));
  const image = await readFile(folder.split('train').files[0]?.path ?? '');
  const items = Array.from({ length: 20 }, (_, i) => ({ image, label: i % 2 === 0 ? 'b' : 'a' }));
  using data = await collectDataset(items, { valSplit: 0.3, seed: 1 });
  assert.deepEqual(data.classes, ['a', 'b']);
  assert.equal(data.hasParts, false);
  assert.deepEqual(data.split('val').counts, [3, 3]);
  assert.deepEqual(
    data
      .split('all')
      .files.map(({ path }) => path)
      .sort(),
    Array.from({ length: 20 }, (_, i) => `image ${i}`).sort(),
  );
  using numbered = await collectDataset(
    items.map(({ label }) => ({ image, label: label === 'a' ? 0 : 1 })),
    { classes: ['a', 'b'], valSplit: 0.3, seed: 1 },
  );
  assert.deepEqual(numbered.split('val').files, data.split('val').files);
  using none = await collectDataset(items, { valSplit: 0 });
  assert.equal(none.split('val').files.length, 0);
  folder.dispose();
});

test('what is wrong with an image, a label or the whole is said', async () => {
  const image = await pictureImage(40, 40).jpeg().toBuffer();
  const good = (label: string | number): LabelledImage => ({ image, label });
  const broken = { image: image.subarray(0, 300), label: 'a', name: 'from the shelf' };
  const refused = (items: readonly LabelledImage[], options: object, code: string, message: RegExp) =>
    assert.rejects(collectDataset(items, options), { code, message });
  await refused([], {}, 'ERR_DATASET', /no images/);
  await refused([good('a')], {}, 'ERR_DATASET', /at least two classes/);
  await refused([good('a'), good('b'), good('c')], { classes: ['a', 'b'] }, 'ERR_DATASET', /image 2.*"c"/);
  await refused([good(0), good(2)], { classes: ['a', 'b'] }, 'ERR_DATASET', /image 1.*2/);
  await refused([good(0)], {}, 'ERR_INVALID_ARGUMENT', /classes/);
  await refused([good('a')], { classes: ['a', 'a'] }, 'ERR_INVALID_ARGUMENT', /differ/);
  await refused([good('a'), good('b')], { classes: ['a', 'b', 'c'] }, 'ERR_DATASET', /no training image of c/);
  await refused(
    [
      { ...good('a'), name: 'x' },
      { ...good('a'), name: 'x' },
    ],
    {},
    'ERR_DATASET',
    /"x"/,
  );
  await refused([broken, good('a'), good('b')], {}, 'ERR_IMAGE_DECODE', /from the shelf.*truncated/);
  await refused([{ image: Buffer.alloc(0), label: 'a' }], {}, 'ERR_IMAGE_DECODE', /image 0.*empty/);
  await refused([{ image: 'x.jpg' as unknown as Buffer, label: 'a' }], {}, 'ERR_INVALID_ARGUMENT', /openDataset/);
  await refused([{ picture: image } as unknown as LabelledImage], {}, 'ERR_INVALID_ARGUMENT', /image 0.*picture/);
  await refused([good('a')], { directory: '/nowhere' }, 'ERR_FILE', /nowhere/);
  using one = await collectDataset([{ ...good('a'), split: 'val' }], { classes: ['a', 'b'], purpose: 'evaluate' });
  assert.deepEqual(one.split('val').counts, [1, 0]);
  using data = await collectDataset([broken, good('a'), good('b')], { skipCorrupt: true, valSplit: 0 });
  assert.deepEqual(
    data.skipped.corrupt.map(({ path }) => path),
    ['from the shelf'],
  );
  assert.equal(data.split('train').files.length, 2);
});

test('an iterable that throws, and a signal, end the taking; no file is left', async (t) => {
  const directory = await temporaryDirectory(t);
  const image = await pictureImage(40, 40).jpeg().toBuffer();
  let ended = false;
  const items = async function* (): AsyncGenerator<LabelledImage> {
    try {
      for (let i = 0; ; i++) yield { image, label: String(i % 2) };
    } finally {
      ended = true;
    }
  };
  const controller = new AbortController();
  const onProgress = (taken: number) => {
    if (taken === 5) controller.abort();
  };
  await assert.rejects(collectDataset(items(), { signal: controller.signal, onProgress, directory }), {
    name: 'AbortError',
  });
  assert.ok(ended);
  const failing = async function* (): AsyncGenerator<LabelledImage> {
    yield { image, label: 'a' };
    throw new RangeError('the store is down');
  };
  await assert.rejects(collectDataset(failing(), { directory }), RangeError);
  using data = await collectDataset(
    [
      { image, label: 'a' },
      { image, label: 'b' },
    ],
    { directory, valSplit: 0 },
  );
  assert.deepEqual(await readdir(directory), []);
  assert.equal(data.split('train').files.length, 2);
});
