import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { stratifiedFolds } from '../../src/data/folds.js';
import { Turns } from '../../src/data/turns.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { writeFolders } from './fixtures.js';

const classesOf = (counts: readonly number[]) =>
  counts.map((count, label) => ({
    className: `class ${label}`,
    names: Array.from({ length: count }, (_, i) => `${i}.jpg`),
  }));

test("folds have as many images of each class as scikit-learn's", async () => {
  // [[sum(y[i] == c for i in test) for c in classes] for _, test in StratifiedKFold(k, shuffle=True, random_state=0).split(y, y)]
  // of scikit-learn 1.2.1.
  for (const [counts, of, expected] of [
    [
      [7, 4, 11],
      5,
      [
        [2, 1, 2],
        [2, 0, 3],
        [1, 1, 2],
        [1, 1, 2],
        [1, 1, 2],
      ],
    ],
    [
      [10, 3, 5, 6],
      3,
      [
        [4, 1, 1, 2],
        [3, 1, 2, 2],
        [3, 1, 2, 2],
      ],
    ],
  ] as const) {
    const folds = await stratifiedFolds(classesOf(counts), of, 4, new Turns());
    const found = expected.map((_, fold) => folds.map((own) => own.filter((value) => value === fold).length));
    assert.deepEqual(found, expected);
  }
});

test('the folds of a class depend on the seed and the names, and not on the order of the images', async () => {
  const folds = async (names: readonly string[], seed: number) => {
    const [own] = await stratifiedFolds([{ className: 'a', names }], 4, seed, new Turns());
    return Object.fromEntries(names.map((name, i) => [name, own?.[i]]));
  };
  const names = classesOf([40])[0]?.names ?? [];
  const first = await folds(names, 1);
  assert.deepEqual(await folds([...names].reverse(), 1), first);
  assert.notDeepEqual(await folds(names, 2), first);
  // In the order of the names they would be dealt one by one.
  assert.notDeepEqual(
    Object.values(first),
    names.map((_, i) => i % 4),
  );
});

test('each image of a data set is evaluated on in one fold, and trained on in the others', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 7, b: 4, c: 11 });
  const seen: string[] = [];
  for (let index = 0; index < 5; index++) {
    using data = await openDataset(root, { fold: { of: 5, index }, seed: 3 });
    const [train, val] = [data.split('train').files, data.split('val').files].map((files) =>
      files.map(({ path }) => path),
    );
    assert.equal(new Set([...(train ?? []), ...(val ?? [])]).size, 22);
    assert.equal(data.hasParts, false);
    seen.push(...(val ?? []));
    assert.deepEqual(
      data.notes.map(({ code }) => code),
      index === 1 ? ['classes-without-validation'] : [],
    );
  }
  assert.equal(seen.length, 22);
  assert.equal(new Set(seen).size, 22);
});

test('a fold that there is not is refused', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'flat/a': 3, 'flat/b': 3 });
  await writeFolders(root, { 'parts/train/a': 2, 'parts/train/b': 2, 'parts/val/a': 1, 'parts/val/b': 1 });
  const open = (name: string, options: object) => openDataset(`${root}/${name}`, options);
  const wrong = (message: RegExp) => fails('ERR_INVALID_ARGUMENT', message);
  await assert.rejects(open('flat', { fold: { of: 3, index: 3 } }), wrong(/fold\.index.*at most 2/));
  await assert.rejects(open('flat', { fold: { of: 1, index: 0 } }), wrong(/fold\.of.*at least 2/));
  await assert.rejects(open('flat', { fold: { of: 3, idx: 0 } }), wrong(/idx.*index/));
  await assert.rejects(open('flat', { fold: { of: 3, index: 0 }, valSplit: 0.2 }), wrong(/exclude each other/));
  await assert.rejects(
    open('flat', { fold: { of: 9, index: 8 } }),
    fails('ERR_DATASET', /6 images, too few for 9 folds/),
  );
  await assert.rejects(open('parts', { fold: { of: 2, index: 0 } }), fails('ERR_DATASET', /says itself.*fold/));
});
