import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SEARCH_FROM_IMAGES, searchedBatch } from '../../src/training/searched-batch.js';

const settings = { batchSize: 100, imageSize: 224, frozenPrefixUnits: 0 };
const units = Array.from({ length: 18 });
const on = (device: string) => ({ device, units: () => units });
const enough = SEARCH_FROM_IMAGES / 100;

describe('the batches that cuDNN searches for', () => {
  it('are the whole ones of a run that is long enough', () => {
    assert.equal(searchedBatch(on('cuda:0'), settings, enough), 100);
    assert.equal(searchedBatch(on('cuda:0'), settings, enough - 1), 0);
    assert.equal(searchedBatch(on('cuda:1'), { ...settings, frozenPrefixUnits: 16 }, enough), 100);
  });

  it('need more images where these are small', () => {
    const small = { ...settings, imageSize: 112 };
    assert.equal(searchedBatch(on('cuda:0'), small, 4 * enough - 1), 0);
    assert.equal(searchedBatch(on('cuda:0'), small, 4 * enough), 100);
  });

  it('are none on the CPU, nor where the head alone trains', () => {
    assert.equal(searchedBatch(on('cpu'), settings, enough), 0);
    assert.equal(searchedBatch(on('cuda:0'), { ...settings, frozenPrefixUnits: 17 }, enough), 0);
  });
});
