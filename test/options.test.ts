import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checkOptions,
  describe as describeValue,
  nearest,
  requireBoolean,
  requireNumber,
  requireOneOf,
} from '../src/options.js';
import { invalid } from './support/invalid.js';

describe('nearest', () => {
  const known = ['epochs', 'batchSize', 'imageSize', 'lr', 'headLr', 'freeze'];
  for (const [word, expected] of [
    ['epoch', 'epochs'],
    ['epcohs', 'epochs'],
    ['batch-size', 'batchSize'],
    ['IMAGE_SIZE', 'imageSize'],
    ['hedLr', 'headLr'],
    ['lt', 'lr'],
    ['freezing', undefined],
    ['q', undefined],
    ['', undefined],
  ] as const) {
    it(`takes ${JSON.stringify(word)} for ${expected ?? 'nothing known'}`, () => {
      assert.equal(nearest(word, known), expected);
    });
  }

  it('takes the first of several that are equally near', () => {
    assert.equal(nearest('layer7', ['layer1', 'layer2']), 'layer1');
  });
});

describe('checkOptions', () => {
  it('accepts known options, none included', () => {
    checkOptions({ lr: 1 }, ['lr', 'decay'], 'f()');
    checkOptions({}, [], 'f()');
  });

  it('names the unknown option and the nearest known one', () => {
    assert.throws(
      () => checkOptions({ epoch: 3 }, ['epochs'], 'train()'),
      invalid('train() has no option epoch. Did you mean epochs?'),
    );
  });

  it('lists what is known where none is near', () => {
    assert.throws(() => checkOptions({ colour: 1 }, ['lr', 'seed'], 'train()'), invalid('Known are lr, seed.'));
  });

  for (const value of [null, undefined, 3, 'lr', ['lr'], () => 0]) {
    it(`refuses ${describeValue(value)}`, () => {
      assert.throws(() => checkOptions(value, ['lr'], 'train()'), invalid('The options of train() must be an object'));
    });
  }
});

describe('requireNumber', () => {
  it('gives back numbers within the range, its ends included where they belong', () => {
    assert.equal(requireNumber(0, 'x'), 0);
    assert.equal(requireNumber(1, 'x', { min: 1, max: 1, integer: true }), 1);
    assert.equal(requireNumber(1e-9, 'x', { exclusiveMin: 0, exclusiveMax: 1 }), 1e-9);
  });

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '1', null, undefined, true, 1n]) {
    it(`refuses ${String(value)} of type ${typeof value}`, () => {
      assert.throws(() => requireNumber(value, 'lr'), invalid('lr must be a finite number, not '));
    });
  }

  it('names the option, the range and the value', () => {
    assert.throws(
      () => requireNumber(0, 'lr', { exclusiveMin: 0, max: 1 }),
      invalid('lr must be a finite number, greater than 0 and at most 1, not 0.'),
    );
    assert.throws(
      () => requireNumber(1, 'dropout', { min: 0, exclusiveMax: 1 }),
      invalid('dropout must be a finite number, at least 0 and less than 1, not 1.'),
    );
    assert.throws(
      () => requireNumber(1.5, 'epochs', { integer: true }),
      invalid('epochs must be a whole number, not 1.5.'),
    );
    assert.throws(() => requireNumber(2 ** 53, 'seed', { integer: true }), invalid('seed must be a whole number'));
  });
});

describe('requireOneOf', () => {
  it('names the option, all known words and the nearest', () => {
    assert.equal(requireOneOf('adam', 'optimizer', ['sgd', 'adam']), 'adam');
    assert.throws(
      () => requireOneOf('adan', 'optimizer', ['sgd', 'adam']),
      invalid('optimizer cannot be "adan": it is one of sgd, adam. Did you mean adam?'),
    );
    assert.throws(
      () => requireOneOf(3, 'optimizer', ['sgd', 'adam']),
      invalid('optimizer cannot be 3: it is one of sgd, adam.'),
    );
  });

  it('does not take inherited names for known ones', () => {
    assert.throws(() => requireOneOf('toString', 'optimizer', ['sgd']), invalid('"toString"'));
  });
});

describe('requireBoolean', () => {
  it('takes true and false alone', () => {
    assert.equal(requireBoolean(false, 'nesterov'), false);
    assert.throws(() => requireBoolean('false', 'nesterov'), invalid('nesterov must be true or false, not "false".'));
  });
});

describe('describe', () => {
  it('keeps messages short', () => {
    assert.equal(describeValue('a b'), '"a b"');
    assert.equal(describeValue(/fc/), '/fc/');
    assert.equal(describeValue([1, 2]), 'an array');
    assert.equal(describeValue({ a: 1 }), 'an object');
    assert.equal(describeValue(requireBoolean), 'a function');
    assert.ok(describeValue('x'.repeat(1000)).length < 100);
  });
});
