import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTIMIZER_KINDS,
  OPTIMIZER_RULES,
  optimizerOf,
  optimizers,
  optimizerWith,
} from '../../src/optim/optimizers.js';
import { invalid } from '../support/invalid.js';

describe('optimizers', () => {
  it("have PyTorch's defaults, and momentum", () => {
    assert.deepEqual(optimizers.sgd(), { kind: 'sgd', momentum: 0.9, dampening: 0, nesterov: false });
    assert.deepEqual(optimizers.adam(), { kind: 'adam', beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    assert.deepEqual(optimizers.adamW(), { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-8 });
  });

  it('have those of RMSprop, NAdam and Lion too', () => {
    assert.deepEqual(optimizers.rmsprop(), { kind: 'rmsprop', alpha: 0.99, eps: 1e-8, momentum: 0, centered: false });
    assert.deepEqual(optimizers.nadam(), {
      kind: 'nadam',
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      momentumDecay: 4e-3,
      decoupledWeightDecay: false,
    });
    assert.deepEqual(optimizers.lion({ betas: [0.95, 0.98] }), { kind: 'lion', beta1: 0.95, beta2: 0.98 });
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
    ['an alpha of 1', () => optimizers.rmsprop({ alpha: 1 }), 'alpha must be'],
    ['a switch that is a number', () => optimizers.rmsprop({ centered: 1 as never }), 'centered must be true or false'],
    ['a negative momentum decay', () => optimizers.nadam({ momentumDecay: -1 }), 'momentumDecay must be'],
    ['an eps for Lion', () => optimizers.lion({ eps: 1e-8 } as never), 'optimizers.lion() has no option eps'],
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
    [
      'an unknown name',
      'adamW',
      'optimizer cannot be "adamW": it is one of sgd, adam, adamw, rmsprop, nadam, lion. Did you mean adamw?',
    ],
    ['an unknown kind', { kind: 'sdg' }, 'optimizer.kind cannot be "sdg"'],
    ['an option of another kind', { kind: 'adam', momentum: 0.9 }, 'The optimizer adam has no option momentum'],
    ['an unknown option', { kind: 'sgd', nestrov: true }, 'Did you mean nesterov?'],
    ['a number out of range', { kind: 'adam', beta1: 2, beta2: 0.9, eps: 1 }, 'beta1 must be'],
    ['null', null, 'optimizer cannot be null'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => optimizerOf(given as never), invalid(words));
    });
  }
});

describe('optimizerWith', () => {
  it('replaces settings by name, and keeps the others', () => {
    const own = optimizers.sgd({ momentum: 0.5, dampening: 0.1 });
    assert.deepEqual(optimizerWith(own, { dampening: 0 }), { ...own, dampening: 0 });
    assert.deepEqual(optimizerWith(optimizers.adam(), { beta2: 0.99 }), optimizers.adam({ betas: [0.9, 0.99] }));
  });

  it('refuses what the optimizer has not, and what contradicts its other settings', () => {
    const { adam, sgd } = optimizers;
    assert.throws(() => optimizerWith(adam(), { momentum: 0.9 }), invalid('The optimizer adam has no option momentum'));
    assert.throws(() => optimizerWith(adam(), { beta1: 1 }), invalid('beta1 must be'));
    assert.throws(() => optimizerWith(sgd({ dampening: 0.1 }), { nesterov: true }), invalid('nesterov needs momentum'));
  });
});

describe('the state of an optimizer', () => {
  const tensors = (kind: string, settings: object): number | undefined =>
    OPTIMIZER_RULES.find((rule) => rule.kind === kind)?.tensorsOfState(settings);

  it('is as many tensors as its settings need', () => {
    assert.deepEqual([tensors('sgd', { momentum: 0 }), tensors('sgd', { momentum: 0.9 })], [0, 1]);
    assert.deepEqual(
      [tensors('adam', {}), tensors('adamw', {}), tensors('nadam', {}), tensors('lion', {})],
      [2, 2, 2, 1],
    );
    const rmsprop = [false, true].flatMap((centered) =>
      [0, 0.9].map((momentum) => tensors('rmsprop', { centered, momentum })),
    );
    assert.deepEqual(rmsprop, [1, 2, 2, 3]);
  });
});
