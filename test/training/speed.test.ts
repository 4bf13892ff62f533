import assert from 'node:assert/strict';
import { it } from 'node:test';
import { perSecond } from '../../src/training/speed.js';

it('rates are per second, and nothing where no time has passed', () => {
  assert.equal(perSecond(10, 500), 20);
  assert.equal(perSecond(10, 0), 0);
});
