import assert from 'node:assert/strict';
import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { collectDataset } from '../../src/data/collect.js';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { heldBack } from '../../src/data/splits.js';
import { ITEMS_A_TURN, sortInTurns, Turns } from '../../src/data/turns.js';
import { temporaryDirectory } from '../support/paths.js';
import { pictureImage, writeFolders } from './fixtures.js';

/** Work of a turn that is short enough, in items: some steps over the same part may follow each other. */
const MOST_A_TURN = 16 * ITEMS_A_TURN;
const FILES = 40 * ITEMS_A_TURN;

/**
 * Counts the items that work goes over between two turns of the event loop, by what loops are made of: iterators and the
 * methods of arrays. Answers the most in one turn. Loops by index go over what these made.
 */
async function mostInATurn(work: () => Promise<void>): Promise<number> {
  let most = 0;
  let inThis = 0;
  const count = (items: number): void => {
    inThis += items;
    most = Math.max(most, inThis);
  };
  const undo: (() => void)[] = [];
  const replace = (
    object: object,
    name: PropertyKey,
    make: (original: (...a: never[]) => unknown) => unknown,
  ): void => {
    const descriptor = Object.getOwnPropertyDescriptor(object, name) as PropertyDescriptor;
    Object.defineProperty(object, name, { ...descriptor, value: make(descriptor.value) });
    undo.push(() => Object.defineProperty(object, name, descriptor));
  };
  const methods = [
    'map',
    'flatMap',
    'filter',
    'forEach',
    'sort',
    'some',
    'every',
    'find',
    'findIndex',
    'reduce',
    'indexOf',
    'includes',
  ];
  for (const name of methods) {
    replace(
      Array.prototype,
      name,
      (original) =>
        function (this: unknown[], ...given: never[]) {
          // A short array, such as that of extensions, is a part of the work on one item.
          if (this.length > 64) count(this.length);
          return original.apply(this, given);
        },
    );
  }
  const iterators = [[].values(), new Set().values(), new Map().entries()].map(
    (i) => Object.getPrototypeOf(i) as object,
  );
  for (const prototype of iterators) {
    replace(
      prototype,
      'next',
      (original) =>
        function (this: unknown) {
          count(1);
          return original.call(this);
        },
    );
  }
  replace(
    Object.getPrototypeOf(Int32Array),
    'from',
    (original) =>
      function (this: unknown, ...given: never[]) {
        count((given as unknown as readonly [ArrayLike<unknown>])[0].length);
        return original.apply(this, given);
      },
  );
  let running = true;
  const turn = (): void => {
    inThis = 0;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  try {
    await work();
  } finally {
    running = false;
    for (const restore of undo.reverse()) restore();
  }
  return most;
}

async function isFree(work: () => Promise<void>): Promise<void> {
  const most = await mostInATurn(work);
  assert.ok(most > ITEMS_A_TURN / 2, `work was seen: ${most}`);
  assert.ok(most <= MOST_A_TURN, `${most} items in one turn`);
}

async function oneBatch(data: Dataset): Promise<void> {
  for await (const { labels } of data.batches({ split: 'all', imageSize: 32, batchSize: 8, shuffle: false })) {
    assert.equal(labels.length, 8);
    return;
  }
}

/** Many names of few files. */
async function manyFiles(t: TestContext): Promise<string> {
  const root = await writeFolders(await temporaryDirectory(t), { a: 1, b: 1 });
  for (const folder of ['a', 'b']) {
    const first = join(root, folder, '0.jpg');
    // A file has some tens of thousands of names at most.
    for (let i = 1; i < FILES / 2; i++) await link(first, join(root, folder, `${i}.jpg`));
  }
  await mkdir(join(root, 'a', 'notes'));
  for (let i = 0; i < 2 * ITEMS_A_TURN; i++) await link(join(root, 'b', '0.jpg'), join(root, 'a', 'notes', `${i}.txt`));
  return root;
}

test('a large folder is opened in parts', async (t) => {
  const root = await manyFiles(t);
  await isFree(async () => {
    using data = await openDataset(root);
    await oneBatch(data);
    (await data.fileListFor('all', ['b', 'a'])).dispose();
    assert.equal(data.split('all').files.length, FILES);
  });
});

test('a long list is read in parts', async (t) => {
  const root = await manyFiles(t);
  const rows = ['a', 'b'].flatMap((label) => Array.from({ length: FILES / 2 }, (_, i) => `${label}/${i}.jpg,${label}`));
  await writeFile(join(root, 'labels.csv'), `path,label\n${rows.join('\n')}\n`);
  await isFree(async () => {
    using data = await openDataset(join(root, 'labels.csv'));
    assert.equal(data.split('all').files.length, FILES);
  });
});

test('many images from an iterable are taken in parts, whatever their classes', async () => {
  const image = await pictureImage(8, 8).jpeg().toBuffer();
  const images = function* (classes: number) {
    for (let i = 0; i < FILES; i++) yield { image, label: `${i % classes}` };
  };
  for (const classes of [2, 2000]) {
    await isFree(async () => {
      using data = await collectDataset(images(classes));
      assert.deepEqual([data.classes.length, data.split('all').files.length], [classes, FILES]);
      await oneBatch(data);
    });
  }
});

test('what is held back is chosen in parts', async () => {
  const files = Array.from({ length: FILES }, (_, i) => `${i}.jpg`);
  await isFree(async () => {
    assert.equal((await heldBack('a', files, 0.5, 1)).size, FILES / 2);
  });
});

test('sorting in parts is sorting', async () => {
  const compare = (a: readonly number[], b: readonly number[]) => (a[0] ?? 0) - (b[0] ?? 0);
  for (const length of [0, 1, 2, ITEMS_A_TURN, ITEMS_A_TURN + 1, 3 * ITEMS_A_TURN + 7]) {
    // Few keys, so that equal items show whether they keep their order.
    const items = Array.from({ length }, (_, i) => [Math.imul(i, 0x9e3779b1) >>> 28, i] as const);
    assert.deepEqual(await sortInTurns(items, compare, new Turns()), [...items].sort(compare));
  }
});
