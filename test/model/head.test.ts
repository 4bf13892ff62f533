import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HeadOptions, headShape } from '../../src/model/head.js';
import { invalid } from '../support/invalid.js';

describe('headShape', () => {
  it('is one linear layer by default', () => {
    assert.deepEqual(headShape(3), { classes: 3, hidden: [], dropout: 0 });
  });

  it('takes one width or several', () => {
    assert.deepEqual(headShape(3, { hidden: 1024, dropout: 0.2 }), { classes: 3, hidden: [1024], dropout: 0.2 });
    assert.deepEqual(headShape(3, { hidden: [1024, 256] }), { classes: 3, hidden: [1024, 256], dropout: 0 });
  });

  for (const [what, classes, options, words] of [
    ['no class', 0, {}, 'classes must be a whole number, at least 1, not 0.'],
    ['a width of 0', 2, { hidden: 0 }, 'head.hidden must be'],
    ['a width that is too large', 2, { hidden: 1e6 }, 'at most 65536'],
    ['a second width that is no number', 2, { hidden: [1024, Number.NaN] }, 'head.hidden[1] must be'],
    ['widths as text', 2, { hidden: '1024' }, 'head.hidden must be a width or an array of widths, not "1024".'],
    ['a dropout of 1', 2, { hidden: 8, dropout: 1 }, 'head.dropout must be'],
    ['a negative dropout', 2, { hidden: 8, dropout: -0.1 }, 'head.dropout must be'],
    ['dropout without a hidden layer', 2, { dropout: 0.5 }, 'this head has none'],
    ['an unknown option', 2, { droput: 0.5 }, 'Did you mean dropout?'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => headShape(classes, options as HeadOptions), invalid(words));
    });
  }
});
