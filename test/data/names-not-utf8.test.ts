import assert from 'node:assert/strict';
import { mkdir, readFile, rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { collectDataset } from '../../src/data/collect.js';
import { openDataset } from '../../src/data/dataset.js';
import { findImages } from '../../src/data/images.js';
import { pathBytes } from '../../src/data/path-bytes.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { views, writeFolders } from './fixtures.js';

/** Linux alone keeps names as bytes. */
const skip = process.platform !== 'linux' && 'names are text here';

/** A file and a class whose names are Latin-1. */
async function latin(t: TestContext): Promise<string> {
  const root = await writeFolders(await temporaryDirectory(t), {
    'train/ants': 2,
    'train/b': 2,
    'val/ants': 1,
    'val/b': 1,
  });
  await rename(join(root, 'train', 'b', '1.jpg'), pathBytes(join(root, 'train', 'b', 'fourmi_\udce9.jpg')));
  for (const part of ['train', 'val']) {
    await rename(join(root, part, 'ants'), pathBytes(join(root, part, 'fourmi_\udce9')));
  }
  return root;
}

test('files and classes whose names are not UTF-8 are read', { skip }, async (t) => {
  const root = await latin(t);
  using data = await openDataset(root);
  assert.deepEqual(data.classes, ['b', 'fourmi_\udce9']);
  assert.deepEqual([data.splits.train.counts, data.splits.val.counts, data.notes], [[2, 2], [1, 1], []]);
  const odd = join(root, 'train', 'b', 'fourmi_\udce9.jpg');
  assert.equal(data.splits.train.files[1]?.path, odd);
  let images = 0;
  for await (const { labels } of data.batches({ imageSize: 32, split: 'all', shuffle: false })) images += labels.length;
  assert.equal(images, 6);
  assert.deepEqual((await findImages([join(root, 'train')])).files.includes(odd), true);
  const [view] = await views([odd]);
  const [same] = await views([join(root, 'train', 'b', '0.jpg')]);
  assert.deepEqual(view, same);
  assert.ok((await readFile(pathBytes(odd))).length > 0);
});

test('a broken file is named by its own name', { skip }, async (t) => {
  const root = await latin(t);
  const odd = join(root, 'train', 'b', 'fourmi_\udce9.jpg');
  const whole = (await readFile(pathBytes(odd))).length;
  using data = await openDataset(root);
  // As if another program wrote it after the data set was opened.
  await truncate(pathBytes(odd), whole >> 1);
  await assert.rejects(openDataset(root), fails('ERR_IMAGE_DECODE', /fourmi_\udce9\.jpg/));
  const left: string[] = [];
  for await (const { failures } of data.batches({ imageSize: 32, split: 'train', skipCorrupt: true })) {
    left.push(...failures.map(({ path }) => path));
  }
  assert.deepEqual(left, [odd]);
  const failing = data.batches({ imageSize: 32, split: 'train' });
  await assert.rejects(failing.next(), (error: Error) => {
    assert.ok(error.message.includes(odd), error.message);
    assert.ok(error.stack?.includes(odd));
    return true;
  });
});

test('the replacement character in a name is a character as any other', { skip }, async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'a\uFFFD': 2, 'b😀\uFFFD': 2 });
  await mkdir(join(root, 'a\uFFFD', '.hidden'));
  using data = await openDataset(root);
  assert.deepEqual(data.classes, ['a\uFFFD', 'b😀\uFFFD']);
  for await (const { labels } of data.batches({ imageSize: 32, split: 'val' })) assert.equal(labels.length, 2);
});

test('images without files may have such names too', { skip }, async (t) => {
  const root = await latin(t);
  const image = await readFile(join(root, 'train', 'b', '0.jpg'));
  const broken = { image: image.subarray(0, 100), label: 'a', name: 'fourmi_\udce9' };
  const given = [broken, { image, label: 'a' }, { image, label: 'b' }];
  await assert.rejects(collectDataset(given, { valSplit: 0 }), fails('ERR_IMAGE_DECODE', /fourmi_\udce9/));
});
