import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Dataset, type DatasetOptions, openDataset } from '../../src/data/dataset.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { writeFolders } from './fixtures.js';

type Counts = Readonly<Record<string, number>>;

async function opened(t: TestContext, counts: Counts, options: DatasetOptions = {}): Promise<Dataset> {
  const data = await openDataset(await writeFolders(await temporaryDirectory(t), counts), options);
  t.after(() => data.dispose());
  return data;
}

async function refused(t: TestContext, counts: Counts, message: RegExp, options: DatasetOptions = {}): Promise<void> {
  const root = await writeFolders(await temporaryDirectory(t), counts);
  await assert.rejects(openDataset(root, options), fails('ERR_DATASET', message));
}

const codes = (data: Dataset) => data.notes.map(({ code }) => code);
const said = (data: Dataset) => data.notes.map(({ message }) => message).join('\n');

/** Two classes in each of two folders. */
const two = (a: string, b: string): Counts => ({ [`${a}/x`]: 2, [`${a}/y`]: 2, [`${b}/x`]: 1, [`${b}/y`]: 1 });

for (const [train, val, notes] of [
  ['train', 'val', []],
  ['train', 'valid', []],
  ['train', 'validation', []],
  ['train', 'dev', []],
  ['training', 'validation', []],
  ['Train', 'Val', []],
  ['TRAINING', 'Dev', []],
  ['train', 'test', ['test-part-is-validation']],
  ['Training', 'Testing', ['test-part-is-validation']],
] as const) {
  test(`${train}/ and ${val}/ are parts`, async (t) => {
    const data = await opened(t, two(train, val));
    assert.deepEqual(data.classes, ['x', 'y']);
    assert.deepEqual(
      [data.splits.train.counts, data.splits.val.counts],
      [
        [2, 2],
        [1, 1],
      ],
    );
    assert.deepEqual(codes(data), notes);
  });
}

test('of val/ and test/ it is said which is which', async (t) => {
  const data = await opened(t, { ...two('train', 'Val'), 'test/x': 5, 'test/y': 5 });
  assert.deepEqual(data.splits.val.counts, [1, 1]);
  assert.deepEqual(codes(data), ['test-part-not-read']);
  assert.match(said(data), /Not read: test\/\. Val\/ is what is evaluated on/);
  // What was set aside can be measured on by its name.
  const set = await openDataset(join(data.path, 'test'), { purpose: 'evaluate' });
  assert.deepEqual(set.split('all').counts, [5, 5]);
  set.dispose();
});

test('val/ and test/ without train/ can be evaluated on', async (t) => {
  const data = await opened(t, two('test', 'val'), { purpose: 'evaluate' });
  assert.deepEqual(
    [data.splits.train.counts, data.splits.val.counts],
    [
      [0, 0],
      [1, 1],
    ],
  );
  assert.deepEqual(codes(data), ['test-part-not-read']);
});

test('a test/ without classes is named, and a share of train/ is held back', async (t) => {
  const data = await opened(t, { 'train/x': 5, 'train/y': 5, test: 3 });
  assert.deepEqual(data.splits.val.counts, [1, 1]);
  assert.deepEqual(codes(data), ['test-part-not-read']);
  assert.match(said(data), /test\/, which holds 3 images without class folders\. A share of train\/ is held back/);
});

test('folders beside the parts are named', async (t) => {
  const data = await opened(t, { ...two('train', 'val'), unlabeled: 3, 'more/z': 1 });
  assert.deepEqual(codes(data), ['folders-not-read']);
  assert.match(said(data), /2 folders beside train\/ and val\/ \(more, unlabeled\)/);
  const alone = await opened(t, { 'train/x': 2, 'train/y': 2, unlabeled: 3 });
  assert.match(said(alone), /1 folder beside train\/ \(unlabeled\)/);
});

test('a folder with the same classes is not passed over for its name', async (t) => {
  await refused(
    t,
    { ...two('train', 'holdout') },
    /holdout holds the same class folders as .*train.*Rename it to val\//,
  );
  // Where there is a part to evaluate on, it is but named.
  const data = await opened(t, { ...two('train', 'val'), 'extra/x': 1 });
  assert.deepEqual(codes(data), ['folders-not-read']);
});

test('a part that is there twice is refused', async (t) => {
  await refused(
    t,
    { ...two('train', 'val'), 'training/x': 1, 'training/y': 1 },
    /train\/ and training\/, which mean the same/,
  );
  await refused(t, { ...two('train', 'valid'), 'dev/x': 1, 'dev/y': 1 }, /dev\/ and valid\/, which mean the same/);
});

test('parts without classes are refused', async (t) => {
  await refused(t, { train: 3, test: 2 }, /holds no class folders, but \d images without a class/);
  await refused(t, { 'train/x': 2, 'train/y': 2, val: 2 }, /val holds no class folders, but 2 images/);
  await refused(t, { train: 2, 'val/x': 2, 'val/y': 2 }, /train holds no class folders, but 2 images/);
  await refused(t, { 'train/x': 2, 'train/y': 2, val: 0 }, /val holds no class folders/);
  await refused(t, { train: 3, labels: 0 }, /train holds no class folders, but 3 images/);
});

test('parts with names of their own are not taken for classes', async (t) => {
  await refused(
    t,
    two('set_a', 'set_b'),
    /set_a, set_b\) holds the same folders \(x, y\).*Parts are told by their names/,
  );
  await refused(t, { ...two('fold1', 'fold2'), 'fold1/z': 1 }, /holds the same folders \(x, y\)/);
  // Nor where a stray image lies in one of them.
  await refused(t, { 'set_a/x': 8, 'set_a/y': 8, set_a: 1, 'set_b/x': 2, 'set_b/y': 2 }, /holds the same folders/);
  // Classes that are divided into parts, each for itself.
  await refused(
    t,
    { 'cat/train': 2, 'cat/val': 1, 'dog/train': 2, 'dog/val': 1 },
    /holds the same folders \(train, val\)/,
  );
  await refused(t, { train2017: 2, val2017: 2 }, /called like parts/);
  await refused(t, { train: 2, test1: 2 }, /called like parts/);
});

test('folders in class folders are no parts where they differ, or are one', async (t) => {
  const nested = await opened(t, { 'animal/cat': 2, 'animal/dog': 2, 'thing/car': 2, 'thing/bus': 2 });
  assert.deepEqual(nested.classes, ['animal', 'thing']);
  const images = await opened(t, { 'n01/images': 2, 'n02/images': 2 });
  assert.deepEqual(images.classes, ['n01', 'n02']);
  const years = await opened(t, { 'a/2019': 2, 'a/2020': 1, a: 9, 'b/2019': 2, 'b/2020': 1, b: 9 });
  assert.deepEqual(years.classes, ['a', 'b']);
});

test('a class may have the name of a part, and it is said', async (t) => {
  const data = await opened(t, { train: 2, bus: 2, car: 2 });
  assert.deepEqual(data.classes, ['bus', 'car', 'train']);
  assert.deepEqual(codes(data), ['part-name-is-class']);
  assert.match(said(data), /train\/ is read as a class/);
  const nested = await opened(t, { 'test/tubes': 2, 'bus/red': 2, car: 2 });
  assert.deepEqual(nested.classes, ['bus', 'car', 'test']);
});

test('what may be a part or a class is refused', async (t) => {
  await refused(
    t,
    { a: 2, b: 2, 'test/a': 1, 'test/b': 1 },
    /cannot be told whether .*test.*holds the folders a, b, and so does/,
  );
  await refused(t, { 'train/a': 2, train: 1, unlabeled: 4 }, /cannot be told whether .*train.*folders and images/);
});

test('parts without a class in common, or with another one, are refused', async (t) => {
  const other = { 'train/x': 2, 'train/y': 2, 'val/z': 1, 'val/w': 1 };
  await refused(t, other, /no class in common: x, y against w, z/);
  await refused(t, { ...two('train', 'val'), 'val/z': 1 }, /val holds a class that .*train lacks: z/);
});

test('classes that are not evaluated are named', async (t) => {
  const data = await opened(t, { 'train/x': 2, 'train/y': 2, 'train/z': 2, 'val/x': 1 });
  assert.deepEqual(codes(data), ['classes-without-validation']);
  assert.match(said(data), /no images of y, z to evaluate on/);
});

test('one image of a class: what is needed is said', async (t) => {
  await refused(t, { a: 1, b: 1 }, /one image only of each class \(a, b\).*two images at least/);
  await refused(t, { a: 9, b: 1, c: 9 }, /one image only of b, so that none can be held back/);
  await refused(t, { 'train/a': 1, 'train/b': 3 }, /one image only of a/);
  const whole = await opened(t, { a: 1, b: 1 }, { valSplit: 0 });
  assert.deepEqual(whole.splits.train.counts, [1, 1]);
  const parts = await opened(t, { 'train/a': 1, 'train/b': 1, 'val/a': 1, 'val/b': 1 });
  assert.deepEqual(parts.splits.val.counts, [1, 1]);
  const evaluated = await opened(t, { a: 1, b: 4 }, { purpose: 'evaluate' });
  assert.deepEqual(evaluated.split('all').counts, [1, 4]);
  assert.deepEqual(codes(evaluated), []);
});

test('what is broken counts as absent', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { ...two('train', 'val'), 'flat/a': 3, 'flat/b': 2 });
  await writeFile(join(root, 'val', 'y', '0.jpg'), 'x');
  const options = { skipCorrupt: true };
  using data = await openDataset(root, options);
  assert.deepEqual(codes(data), ['folders-not-read', 'classes-without-validation', 'broken-files-left-out']);
  await writeFile(join(root, 'val', 'x', '0.jpg'), 'x');
  await assert.rejects(openDataset(root, options), fails('ERR_DATASET', /Every image of .* to evaluate on is broken/));
  await writeFile(join(root, 'flat', 'b', '0.jpg'), 'x');
  await assert.rejects(openDataset(join(root, 'flat'), options), fails('ERR_DATASET', /one image only of b/));
});

test('a folder too high is noticed', async (t) => {
  await refused(
    t,
    { 'photos/a': 2, 'photos/b': 2 },
    /one class only, photos\. It holds folders itself \(a, b\): did you mean .*photos\?/,
  );
});

/** What `train` leaves in a folder. */
async function writeRun(folder: string, format = 'resnet-torch run'): Promise<void> {
  await mkdir(join(folder, 'checkpoints'), { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify({ format }, null, 2));
  for (const name of ['events.jsonl', 'best.safetensors', 'checkpoints/last.state', 'report.jpg']) {
    await writeFile(join(folder, name), '');
  }
}

test('what train wrote into the data is no class, and it is said', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 2, b: 2 });
  await writeRun(join(root, 'runs', '20260131-184502-full'));
  await writeRun(join(root, 'runs', '20260201-184502-full'));
  await writeRun(join(root, 'b', 'mine'));
  await writeRun(join(root, 'mine'));
  using data = await openDataset(root);
  assert.deepEqual(
    [data.classes, data.split('all').counts],
    [
      ['a', 'b'],
      [2, 2],
    ],
  );
  assert.deepEqual(codes(data), ['run-directories-not-read']);
  assert.match(said(data), /4 run directories \(b.mine, mine, runs.20260131-184502-full, runs.20260201-184502-full\)/);
  // The same files of another program are a folder as any other.
  await writeRun(join(root, 'other'), 'something else');
  await assert.rejects(openDataset(root), fails('ERR_DATASET', /one image only of other/));
});
