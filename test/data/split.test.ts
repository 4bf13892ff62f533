import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldBack } from '../../src/data/split.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}.jpg`);

test('a share of a class is held back, at least one and never all', () => {
  const counts = (share: number) => [100, 3, 2, 1].map((count) => heldBack('a', names(count), share, 0).size);
  assert.deepEqual(counts(0.2), [20, 1, 1, 0]);
  assert.deepEqual(counts(0.9), [90, 2, 1, 0]);
  assert.deepEqual(counts(0), [0, 0, 0, 0]);
});

test('the choice depends on the seed, the class and the names, not on their order', () => {
  const files = names(50);
  const first = [...heldBack('a', files, 0.2, 7)];
  assert.deepEqual([...heldBack('a', [...files].reverse(), 0.2, 7)], first);
  assert.notDeepEqual([...heldBack('a', files, 0.2, 8)], first);
  assert.notDeepEqual([...heldBack('b', files, 0.2, 7)], first);
  // Files that are added later leave most of the others where they were.
  const more = heldBack('a', names(55), 0.2, 7);
  assert.ok(first.filter((name) => more.has(name)).length >= 5);
});
