import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldBack } from '../../src/data/splits.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}.jpg`);

test('a share of a class is held back, at least one and never all', async () => {
  const counts = async (share: number, files = [100, 3, 2, 1]) =>
    Promise.all(files.map(async (count) => (await heldBack('a', names(count), share, 0)).size));
  assert.deepEqual(await counts(0.2), [20, 1, 1, 0]);
  assert.deepEqual(await counts(0.9), [90, 2, 1, 0]);
  assert.deepEqual(await counts(0), [0, 0, 0, 0]);
  // To the nearest: 2.1, 2.9 and 2.5 files.
  assert.deepEqual([await counts(0.21, [10]), await counts(0.29, [10]), await counts(0.25, [10])], [[2], [3], [3]]);
});

test('the files with the smallest hashes are held back', async () => {
  // sorted(range(10), key=lambda i: sha256(f'5\\0b\\0{i}.jpg'.encode()).hexdigest())[:3] in Python
  assert.deepEqual([...(await heldBack('b', names(10), 0.3, 5))], [7, 6, 1]);
});

test('the choice depends on the seed, the class and the names, not on their order', async () => {
  const files = names(50);
  const held = async (className: string, from: readonly string[], seed: number) =>
    [...(await heldBack(className, from, 0.2, seed))].map((position) => from[position] ?? '');
  const first = await held('a', files, 7);
  assert.deepEqual(await held('a', [...files].reverse(), 7), first);
  assert.notDeepEqual(await held('a', files, 8), first);
  assert.notDeepEqual(await held('b', files, 7), first);
  // Files that are added later leave most of the others where they were.
  const more = await held('a', names(55), 7);
  assert.ok(first.filter((name) => more.includes(name)).length >= 5);
});

test('images of one name are told apart: as many are held back as asked for', async () => {
  assert.equal((await heldBack('a', Array<string>(10).fill('same.jpg'), 0.3, 0)).size, 3);
});
