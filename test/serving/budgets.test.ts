import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Budget } from '../../src/serving/budgets.js';
import { Problem } from '../../src/serving/problem.js';

const isOverloaded = (error: unknown) => error instanceof Problem && error.problem === 'overloaded';

describe('a budget', () => {
  it('is as it was when all was given back, refusals or not', () => {
    const budget = new Budget(10);
    const [first, second] = [budget.open(), budget.open()];
    first.take(4);
    first.take(2);
    assert.throws(() => second.take(5), isOverloaded);
    assert.equal(budget.held, 6);
    second.take(4);
    assert.equal(budget.held, 10);
    assert.throws(() => first.take(1), isOverloaded);
    for (const share of [second, first, first, second]) share.release();
    assert.equal(budget.held, 0);
  });

  it('holds nothing for whoever gave back already', () => {
    const budget = new Budget(10);
    const share = budget.open();
    share.release();
    share.take(5);
    assert.equal(budget.held, 0);
  });

  it('lets one that is alone have more, which would never be answered otherwise', () => {
    const budget = new Budget(10);
    const share = budget.open();
    share.take(8);
    share.take(8);
    assert.throws(() => budget.open().take(1), isOverloaded);
    share.release();
    assert.equal(budget.held, 0);
  });
});
