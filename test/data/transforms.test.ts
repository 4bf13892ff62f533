import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultResize, viewSpec } from '../../src/data/transforms/spec.js';

test('the short side before the crop follows the weights', () => {
  assert.equal(defaultResize(224), 256);
  assert.equal(defaultResize(224, { resize: 232, crop: 224 }), 232);
  assert.equal(defaultResize(64, { resize: 64, crop: 64 }), 64);
  assert.equal(defaultResize(128), 146);
});

test('augmentations are crops and flips', () => {
  assert.deepEqual(viewSpec('none', 224, 256).crop, {
    kind: 'center',
    size: 224,
    resize: 256,
    scale: [0.08, 1],
    ratio: [3 / 4, 4 / 3],
    flip: 0,
    verticalFlip: 0,
  });
  assert.equal(viewSpec('flip', 224, 256).crop.flip, 0.5);
  assert.equal(viewSpec('flip', 224, 256).crop.kind, 'center');
  assert.equal(viewSpec('standard', 224, 256).crop.kind, 'random');
  assert.throws(() => viewSpec('standard', 31, 40), { code: 'ERR_INVALID_ARGUMENT' });
  assert.throws(() => viewSpec('standart' as 'standard', 64, 64), /standard/);
});
