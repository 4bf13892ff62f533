import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldBack } from '../../src/data/split.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}.jpg`);

test('a share of each class is held back, at least one and never all', () => {
  const classes = new Map([
    ['many', names(100)],
    ['few', names(3)],
    ['two', names(2)],
    ['one', names(1)],
  ]);
  const counts = (share: number) => [...heldBack(classes, share, 0).values()].map((held) => held.size);
  assert.deepEqual(counts(0.2), [20, 1, 1, 0]);
  assert.deepEqual(counts(0.9), [90, 2, 1, 0]);
  assert.deepEqual(counts(0), [0, 0, 0, 0]);
});

test('the choice depends on the seed and on the names, not on their order or on other classes', () => {
  const files = names(50);
  const first = heldBack(new Map([['a', files]]), 0.2, 7).get('a');
  const again = heldBack(
    new Map([
      ['b', names(9)],
      ['a', [...files].reverse()],
    ]),
    0.2,
    7,
  ).get('a');
  assert.deepEqual([...(first ?? [])], [...(again ?? [])]);
  assert.notDeepEqual([...(heldBack(new Map([['a', files]]), 0.2, 8).get('a') ?? [])], [...(first ?? [])]);
});
