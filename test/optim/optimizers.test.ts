import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTIMIZER_KINDS, optimizerOf, optimizers } from '../../src/optim/optimizers.js';
import { invalid } from '../support/invalid.js';

describe('optimizers', () => {
  it("have PyTorch's defaults, and momentum", () => {
    assert.deepEqual(optimizers.sgd(), { kind: 'sgd', momentum: 0.9, dampening: 0, nesterov: false });
    assert.deepEqual(optimizers.adam(), { kind: 'adam', beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    assert.deepEqual(optimizers.adamW(), { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-8 });
  });

  it('take options', () => {
    assert.deepEqual(optimizers.sgd({ momentum: 0.5, nesterov: true }), {
      kind: 'sgd',
      momentum: 0.5,
      dampening: 0,
      nesterov: true,
    });
    assert.deepEqual(optimizers.adamW({ betas: [0.8, 0.99], eps: 1e-6 }), {
      kind: 'adamw',
      beta1: 0.8,
      beta2: 0.99,
      eps: 1e-6,
    });
  });

  for (const [what, make, words] of [
    ['a momentum of 1', () => optimizers.sgd({ momentum: 1 }), 'momentum must be'],
    ['a momentum that is NaN', () => optimizers.sgd({ momentum: Number.NaN }), 'momentum must be'],
    ['Nesterov without momentum', () => optimizers.sgd({ momentum: 0, nesterov: true }), 'nesterov needs momentum'],
    ['Nesterov with dampening', () => optimizers.sgd({ dampening: 0.1, nesterov: true }), 'no dampening'],
    ['a beta of 1', () => optimizers.adam({ betas: [0.9, 1] }), 'betas[1] must be'],
    ['one beta', () => optimizers.adam({ betas: [0.9] as never }), 'betas must be two numbers'],
    ['betas that are a number', () => optimizers.adam({ betas: 0.9 as never }), 'betas must be two numbers'],
    ['an eps of 0', () => optimizers.adamW({ eps: 0 }), 'eps must be'],
    [
      'an unknown option',
      () => optimizers.adamW({ beta: 1 } as never),
      'optimizers.adamW() has no option beta. Did you mean betas?',
    ],
    ['a rate', () => optimizers.sgd({ lr: 0.1 } as never), 'optimizers.sgd() has no option lr'],
  ] as const) {
    it(`refuse ${what}`, () => {
      assert.throws(make, invalid(words));
    });
  }
});

describe('optimizerOf', () => {
  it('knows each by name, and takes its own plain data back', () => {
    for (const kind of OPTIMIZER_KINDS) {
      const spec = optimizerOf(kind);
      assert.equal(spec.kind, kind);
      assert.deepEqual(optimizerOf(JSON.parse(JSON.stringify(spec))), spec);
    }
    const spec = optimizers.sgd({ momentum: 0, dampening: 0.5 });
    assert.deepEqual(optimizerOf(spec), spec);
  });

  for (const [what, given, words] of [
    ['an unknown name', 'adamW', 'optimizer cannot be "adamW": it is one of sgd, adam, adamw. Did you mean adamw?'],
    ['an unknown kind', { kind: 'sdg' }, 'optimizer.kind cannot be "sdg"'],
    ['an option of another kind', { kind: 'adam', momentum: 0.9 }, 'The optimizer adam has no option momentum'],
    ['an unknown option', { kind: 'sgd', nestrov: true }, 'Did you mean nesterov?'],
    ['a number out of range', { kind: 'adam', beta1: 2, beta2: 0.9, eps: 1 }, 'betas[0] must be'],
    ['null', null, 'optimizer cannot be null'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => optimizerOf(given as never), invalid(words));
    });
  }
});
