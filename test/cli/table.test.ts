import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { csvRow } from '../../src/cli/csv.js';
import { grouped, percent, rate, table } from '../../src/cli/table.js';

describe('table', () => {
  it('aligns columns and leaves no trailing spaces', () => {
    const text = table(
      ['unit', 'size'],
      [
        ['stem', '9'],
        ['head', '1,024'],
      ],
      ['left', 'right'],
    );
    assert.deepEqual(text.split('\n'), ['unit   size', '────  ─────', 'stem      9', 'head  1,024']);
  });

  it('counts wide characters twice', () => {
    const text = table(
      ['class', 'n'],
      [
        ['猫', '1'],
        ['cats', '2'],
      ],
    );
    assert.deepEqual(text.split('\n').slice(2), ['猫     1', 'cats   2']);
  });
});

describe('figures', () => {
  it('are written as people write them', () => {
    assert.equal(grouped(25557032), '25,557,032');
    assert.equal(percent(0.93464), '93.46%');
    assert.deepEqual([1e-4, 2.5e-5, 0.001, 0.01, 0.1, 0].map(rate), ['1e-4', '2.5e-5', '1e-3', '0.01', '0.1', '0']);
  });
});

describe('csvRow', () => {
  it('quotes what needs it', () => {
    assert.equal(csvRow(['a,b.jpg', 1, 'say "hi"', 0.5]), '"a,b.jpg",1,"say ""hi""",0.5\r\n');
  });
});
