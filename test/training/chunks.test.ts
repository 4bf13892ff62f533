import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkSizer } from '../../src/training/chunks.js';

describe('the size of a chunk', () => {
  it('begins with one step, doubles while steps are quick, and is 64 rows at most', () => {
    const sizer = new ChunkSizer();
    const sizes: number[] = [];
    for (let i = 0; i < 8; i++) {
      const size = sizer.next(1000);
      sizes.push(size);
      sizer.made(size, size);
    }
    assert.deepEqual(sizes, [1, 2, 4, 8, 16, 32, 64, 64]);
    assert.equal(sizer.next(5), 5);
  });

  it('is about a second of steps', () => {
    const sizer = new ChunkSizer();
    sizer.made(8, 8 * 300);
    assert.equal(sizer.next(100), 3);
    sizer.made(3, 3 * 5000);
    assert.equal(sizer.next(100), 1);
    sizer.made(0, 0);
    assert.equal(sizer.next(100), 1);
  });
});
