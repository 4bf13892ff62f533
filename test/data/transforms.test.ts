import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cropOptions, defaultResize } from '../../src/data/transforms.js';

test('the short side before the crop follows the weights', () => {
  assert.equal(defaultResize(224), 256);
  assert.equal(defaultResize(224, { resize: 232, crop: 224 }), 232);
  assert.equal(defaultResize(64, { resize: 64, crop: 64 }), 64);
  assert.equal(defaultResize(128), 146);
});

test('augmentations are crops and flips', () => {
  assert.deepEqual(cropOptions('none', 224, 256), {
    kind: 'center',
    size: 224,
    resize: 256,
    scale: [0.08, 1],
    ratio: [3 / 4, 4 / 3],
    flip: 0,
  });
  assert.equal(cropOptions('flip', 224, 256).flip, 0.5);
  assert.equal(cropOptions('flip', 224, 256).kind, 'center');
  assert.equal(cropOptions('standard', 224, 256).kind, 'random');
  assert.throws(() => cropOptions('standard', 31, 40), { code: 'ERR_INVALID_ARGUMENT' });
  assert.throws(() => cropOptions('standart' as 'standard', 64, 64), /standard/);
});
