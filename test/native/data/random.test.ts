import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLoader } from '../../../src/data/loader.js';
import { native } from '../../../src/native/load.js';
import { meanDifference, views, writeFolders } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';
import { addressedBits, philox, unit } from './philox.js';

const SHUFFLE = 0;
const FLIP = 2;

test('Philox gives the known answers of Random123', () => {
  const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
  assert.equal(hex(philox([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  assert.equal(hex(philox([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd');
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  assert.equal(hex(philox(pi, [0xa4093822, 0x299f31d0])), 'd16cfe09 94fdcceb 5001e420 24126ea1');
});

test('the order of an epoch is that of the addresses, for seeds beyond 32 bits too', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 30 });
  const paths = Array.from({ length: 30 }, (_, i) => join(root, 'a', `${i}.jpg`));
  const files = new (native().FileList)(paths, new Int32Array(30));
  for (const [seed, epoch] of [
    [0, 0],
    [0, 1],
    [5, 3],
    [2 ** 40 + 17, 2],
  ] as const) {
    const loader = openLoader({
      files,
      crop: { kind: 'center', size: 32, resize: 32, scale: [1, 1], ratio: [1, 1], flip: 0 },
      batchSize: 30,
      epoch,
      seed,
      training: true,
    });
    const batch = await loader.next('uint8');
    loader.dispose();
    const keys = paths.map((_, index) => ({ index, key: addressedBits(seed, epoch, index, SHUFFLE) }));
    const wanted = keys.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ index }) => index);
    assert.deepEqual([...(batch?.indices ?? [])], wanted);
  }
});

test('an image is mirrored where its address says so', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 24 });
  const paths = Array.from({ length: 24 }, (_, i) => join(root, 'a', `${i}.jpg`));
  const seed = 9;
  const epoch = 4;
  const size = 32;
  const mirror = (view: Uint8Array) => {
    const out = new Uint8Array(view.length);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        out.set(view.subarray((y * size + x) * 3, (y * size + x) * 3 + 3), (y * size + size - 1 - x) * 3);
      }
    }
    return out;
  };
  const plain = await views(paths, { crop: { size, flip: 0 }, seed, epoch });
  const flipped = await views(paths, { crop: { size, flip: 0.5 }, seed, epoch });
  const turned = flipped.map((view, i) => meanDifference(view, plain[i] ?? view) !== 0);
  assert.deepEqual(
    turned,
    paths.map((_, index) => unit(addressedBits(seed, epoch, index, FLIP)) < 0.5),
  );
  for (const [i, view] of flipped.entries()) {
    const original = plain[i] ?? view;
    assert.equal(meanDifference(view, turned[i] ? mirror(original) : original), 0);
  }
});
