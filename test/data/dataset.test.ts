import assert from 'node:assert/strict';
import { mkdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { scanFiles } from '../../src/data/check.js';
import { openDataset } from '../../src/data/dataset.js';
import { findImages } from '../../src/data/images.js';
import { sharedRoot, temporaryDirectory } from '../support/paths.js';
import { pictureImage, writeColour, writeFolders } from './fixtures.js';

/** Nothing but a class of good images beside it. */
async function twoClasses(root: string): Promise<string> {
  return writeFolders(root, { 'train/a': 3, 'train/b': 2, 'val/a': 1, 'val/b': 1 });
}

test('train/ and val/ are parts; labels go by class name', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), {
    'train/b': 2,
    'train/a': 3,
    'train/c': 1,
    'val/c': 2,
  });
  using data = await openDataset(root);
  assert.deepEqual(data.classes, ['a', 'b', 'c']);
  assert.deepEqual(data.splits.train.counts, [3, 2, 1]);
  assert.deepEqual(data.splits.val.counts, [0, 0, 2]);
  assert.ok(data.splits.val.files.every(({ label, path }) => label === 2 && path.includes(join('val', 'c'))));
  assert.equal(data.hasParts, true);
  assert.equal(data.split('all').files.length, 8);
  assert.deepEqual(
    data.notes.map(({ code }) => code),
    ['classes-without-validation'],
  );
});

for (const name of ['valid', 'test']) {
  test(`${name}/ serves as the part to evaluate on`, async (t) => {
    const root = await writeFolders(await temporaryDirectory(t), {
      'train/a': 1,
      'train/b': 1,
      [`${name}/a`]: 1,
      [`${name}/b`]: 2,
    });
    using data = await openDataset(root);
    assert.deepEqual(data.splits.val.counts, [1, 2]);
  });
}

test('one folder of class folders is split by classes, and by the seed', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 10, b: 20, test: 5 });
  using data = await openDataset(root, { valSplit: 0.2, seed: 1 });
  using again = await openDataset(root, { valSplit: 0.2, seed: 1 });
  using other = await openDataset(root, { valSplit: 0.2, seed: 2 });
  assert.deepEqual(data.classes, ['a', 'b', 'test']);
  assert.deepEqual(data.splits.train.counts, [8, 16, 4]);
  assert.deepEqual(data.splits.val.counts, [2, 4, 1]);
  assert.equal(data.hasParts, false);
  assert.deepEqual(data.splits.val.files, again.splits.val.files);
  assert.notDeepEqual(data.splits.val.files, other.splits.val.files);
  const train = new Set(data.splits.train.files.map(({ path }) => path));
  assert.ok(data.splits.val.files.every(({ path }) => !train.has(path)));
  using whole = await openDataset(root, { valSplit: 0 });
  assert.equal(whole.splits.train.files.length, 35);
  assert.throws(() => whole.batches({ split: 'val' }), { code: 'ERR_DATASET', message: /--val-split/ });
});

test('names with spaces and letters of any script are read, and sorted as Python sorts them', async (t) => {
  const root = await temporaryDirectory(t);
  for (const name of ['蜂 の 巣', 'жук', 'b c', 'Bee'])
    await writeColour(join(root, 'train', name, 'ö 1 [a].png'), '#123456');
  await writeColour(join(root, 'val', 'жук', '写真.JPG'.toLowerCase()), '#123456');
  using data = await openDataset(root);
  assert.deepEqual(data.classes, ['Bee', 'b c', 'жук', '蜂 の 巣']);
  for await (const { labels, shape } of data.batches({ imageSize: 32, shuffle: false })) {
    assert.deepEqual([...labels], [0, 1, 2, 3]);
    assert.deepEqual(shape, [4, 32, 32, 3]);
  }
});

test('folders in class folders are searched, links followed but not in circles', async (t) => {
  const root = await temporaryDirectory(t);
  await writeFolders(root, { 'train/a/2': 1, 'train/a/1/deep': 2, 'train/b': 1 });
  await symlink(join(root, 'train', 'b'), join(root, 'train', 'a', '3'), 'dir');
  await symlink(join(root, 'train', 'a'), join(root, 'train', 'a', '1', 'round'), 'dir');
  using data = await openDataset(root, { valSplit: 0 });
  assert.deepEqual(
    data.splits.train.files.map(({ path }) => path.slice(root.length + 1)),
    ['1/deep/0.jpg', '1/deep/1.jpg', '2/0.jpg', '3/0.jpg']
      .map((path) => join('train/a', path))
      .concat(join('train/b/0.jpg')),
  );
});

test('what is not an image by its name is counted and named', async (t) => {
  const root = await twoClasses(await temporaryDirectory(t));
  await writeFile(join(root, 'train', 'a', 'notes.txt'), 'x');
  await writeFile(join(root, 'train', 'b', 'more.TXT'), 'x');
  await writeFile(join(root, 'train', 'b', '.DS_Store'), 'x');
  await writeFile(join(root, 'LICENSE'), 'x');
  await writeFile(join(root, 'train', 'loose.jpg'), 'x');
  await mkdir(join(root, 'train', '.ipynb_checkpoints'));
  using data = await openDataset(root);
  assert.deepEqual(data.classes, ['a', 'b']);
  assert.equal(data.skipped.ignored.length, 6);
  assert.deepEqual(data.notes.map(({ message }) => message).sort(), [
    `Not read: 1 file outside of the class folders (${join('train', 'loose.jpg')})`,
    'Not read: 1 file without an extension (LICENSE)',
    `Not read: 2 files with the extension .txt (${join('train', 'a', 'notes.txt')}, ${join('train', 'b', 'more.TXT')})`,
  ]);
});

test('wrong folders are errors that name them and the way out', async (t) => {
  const root = await temporaryDirectory(t);
  const expect = async (path: string, message: RegExp) =>
    assert.rejects(openDataset(path), { name: 'ResnetTorchError', code: 'ERR_DATASET', message });

  await expect(join(root, 'nowhere'), /There is no folder .*nowhere/);
  await writeFile(join(root, 'file'), '');
  await expect(join(root, 'file'), /is a file, not a folder/);
  await mkdir(join(root, 'bare'));
  await expect(join(root, 'bare'), /bare holds no class folders/);
  await writeFolders(root, { loose: 2 });
  await expect(join(root, 'loose'), /no class folders, but 2 images without a class/);
  await writeFolders(root, { 'single/cat': 2 });
  await expect(join(root, 'single'), /one class only, cat/);
  await writeFolders(root, { 'hollow/cat': 2, 'hollow/dog': 0 });
  await expect(join(root, 'hollow'), /dog holds no images/);
  await writeFolders(root, { 'strange/train/a': 1, 'strange/train/b': 1, 'strange/val/a': 1, 'strange/val/z': 1 });
  await expect(join(root, 'strange'), /val holds a class that .*train lacks: z/);
  await writeFolders(root, { 'unlearnable/val/a': 1, 'unlearnable/val/b': 1 });
  await expect(join(root, 'unlearnable'), /no train\/ folder/);
});

test('an evaluation needs neither training images nor two classes', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'parts/val/a': 2, 'one/a': 3 });
  using parts = await openDataset(join(root, 'parts'), { purpose: 'evaluate' });
  assert.deepEqual([parts.hasParts, parts.splits.train.files.length, parts.splits.val.files.length], [true, 0, 2]);
  using one = await openDataset(join(root, 'one'), { purpose: 'evaluate' });
  assert.equal(one.split('all').files.length, 3);
  assert.equal((await one.fileListFor('all', ['z', 'a'])).length, 3);
  await assert.rejects(one.fileListFor('all', ['z', 'y']), {
    code: 'ERR_DATASET',
    message: /does not know: a\. It knows z, y/,
  });
});

test('unknown and wrong options are refused', async () => {
  const refused = { code: 'ERR_INVALID_ARGUMENT' };
  await assert.rejects(openDataset('.', { valsplit: 0.2 } as object), { ...refused, message: /valSplit/ });
  await assert.rejects(openDataset('.', { valSplit: 1 }), refused);
  await assert.rejects(openDataset('.', { workers: 0 }), refused);
});

const broken: readonly (readonly [string, (path: string) => Promise<unknown>, RegExp])[] = [
  ['zero bytes', (path) => writeFile(path, ''), /empty \(0 bytes\)/],
  [
    'not an image',
    (path) => writeFile(path, '<!doctype html><p>Not found'),
    /it is a web page, whatever its name, and no format that is read/,
  ],
  ['a truncated JPEG', async (path) => truncate(path, (await readFile(path)).length >> 1), /truncated/],
  ['a JPEG without its last bytes', async (path) => truncate(path, (await readFile(path)).length - 2), /truncated/],
  ['a JPEG that ends in its header', (path) => truncate(path, 100), /truncated/],
];
for (const [name, damage, message] of broken) {
  test(`${name} is an error that names the file, or is left out`, async (t) => {
    const root = await twoClasses(await temporaryDirectory(t));
    const path = join(root, 'train', 'b', '1.jpg');
    await damage(path);
    await assert.rejects(openDataset(root), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_IMAGE_DECODE');
      assert.match(error.message, message);
      assert.ok(error.message.includes(path));
      assert.match(error.message, /--skip-corrupt/);
      return true;
    });
    using data = await openDataset(root, { skipCorrupt: true });
    assert.deepEqual(data.splits.train.counts, [3, 1]);
    assert.deepEqual(
      data.skipped.corrupt.map((file) => file.path),
      [path],
    );
    assert.deepEqual(data.notes, [
      { code: 'broken-files-left-out', message: `Left out as broken: 1 file (${join('train', 'b', '1.jpg')})` },
    ]);
  });
}

test('a class of which all is broken cannot be learned', async (t) => {
  const root = await twoClasses(await temporaryDirectory(t));
  for (const name of ['0.jpg', '1.jpg']) await writeFile(join(root, 'train', 'b', name), 'x');
  await assert.rejects(openDataset(root, { skipCorrupt: true }), { code: 'ERR_DATASET', message: /image of b / });
});

test("a JPEG's thumbnail does not stand in for its own end, and what follows it does no harm", async (t) => {
  const folder = await temporaryDirectory(t);
  const jpeg = await pictureImage(64, 48).jpeg().toBuffer();
  // An application segment that holds a whole small JPEG, as a thumbnail lies in EXIF.
  const thumbnail = await pictureImage(8, 8).jpeg().toBuffer();
  const header = Buffer.from([0xff, 0xec, (thumbnail.length + 2) >> 8, (thumbnail.length + 2) & 0xff]);
  const whole = Buffer.concat([jpeg.subarray(0, 2), header, thumbnail, jpeg.subarray(2)]);
  const trailing = join(folder, 'trailing.jpg');
  await writeFile(trailing, Buffer.concat([whole, Buffer.alloc(1000)]));
  assert.equal((await scanFiles([trailing], {}))[0]?.ok, true);
  const cut = join(folder, 'cut.jpg');
  await writeFile(cut, whole.subarray(0, whole.length - 40));
  assert.match((await scanFiles([cut], {}))[0]?.message ?? '', /truncated/);
});

test('large files are checked by their head and their end', async (t) => {
  const folder = await temporaryDirectory(t);
  const side = 700;
  const noise = Buffer.from(
    Uint32Array.from(
      { length: side * side * 3 },
      (_, i) => Math.imul(Math.imul(i, 0x9e3779b1) ^ (i >> 7), 0x85ebca6b) >>> 24,
    ),
  );
  const image = sharp(noise, { raw: { width: side, height: side, channels: 3 } });
  const [jpeg, png] = [join(folder, 'large [1].jpg'), join(folder, 'large [1].png')];
  await image.clone().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toFile(jpeg);
  await image.clone().png().toFile(png);
  for (const path of [jpeg, png]) assert.ok((await stat(path)).size > 600_000);
  assert.deepEqual(
    (await scanFiles([jpeg, png], {})).map(({ width, height, format }) => [width, height, format]),
    [
      [side, side, 'jpeg'],
      [side, side, 'png'],
    ],
  );
  await writeFile(jpeg, Buffer.concat([await readFile(jpeg), Buffer.alloc(100)]));
  assert.equal((await scanFiles([jpeg], {}))[0]?.ok, true);
  await truncate(jpeg, 600_000);
  assert.match((await scanFiles([jpeg], {}))[0]?.message ?? '', /truncated/);
});

test('progress ends with all files; a report that throws and a signal end the scan', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 40, b: 40 });
  const reports: number[][] = [];
  (await openDataset(root, { onProgress: (done, total) => reports.push([done, total]) })).dispose();
  assert.deepEqual(reports.at(0), [0, 80]);
  assert.deepEqual(reports.at(-1), [80, 80]);
  assert.ok(reports.every(([done = 0], i) => done >= (reports[i - 1]?.[0] ?? 0)));
  const throwing = (done: number) => {
    if (done > 0) throw new RangeError('enough');
  };
  await assert.rejects(openDataset(root, { onProgress: throwing }), RangeError);
  await assert.rejects(openDataset(root, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  const controller = new AbortController();
  const opening = openDataset(root, { signal: controller.signal, onProgress: () => controller.abort() });
  await assert.rejects(opening, { name: 'AbortError' });
});

test('images to predict: files whatever their name, folders searched', async (t) => {
  const root = await temporaryDirectory(t);
  await writeFolders(root, { 'photos/b': 1, photos: 1 });
  await writeFile(join(root, 'photos', 'x.txt'), '');
  const odd = join(root, 'no extension');
  await writeFile(odd, await readFile(join(root, 'photos', '0.jpg')));
  const images = await findImages([odd, join(root, 'photos')]);
  assert.deepEqual(images.files, [odd, join(root, 'photos', '0.jpg'), join(root, 'photos', 'b', '0.jpg')]);
  assert.equal(images.ignored.length, 1);
  await assert.rejects(findImages([join(root, 'none.jpg')]), { code: 'ERR_DATASET', message: /none\.jpg/ });
  await mkdir(join(root, 'bare'));
  await assert.rejects(findImages([join(root, 'bare')]), { code: 'ERR_DATASET', message: /holds no images/ });
});

test('the ants and bees of the transfer-learning tutorial', {
  skip: sharedRoot() === null && 'needs ../shared',
}, async () => {
  using data = await openDataset(join(sharedRoot() ?? '', 'data', 'hymenoptera'));
  assert.deepEqual(data.classes, ['ants', 'bees']);
  // One of the ants is a GIF that says so: it is an image, and read.
  assert.deepEqual(data.splits.train.counts, [124, 121]);
  assert.deepEqual(data.splits.val.counts, [70, 83]);
});
