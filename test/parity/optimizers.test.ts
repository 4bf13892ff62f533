import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Floats, ModelDtype } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { type OptimizerSpec, optimizers } from '../../src/optim/optimizers.js';
import { temporaryDirectory } from '../support/paths.js';
import { relativeError } from './compare.js';
import { Comparison, nativeModel, reference, skip } from './harness.js';
import { sizeOf, uniform, weightValues } from './recipe.js';
import { readTensors, type Tensor, writeTensors } from './safetensors.js';

const STEPS = 25;
const groups = [
  { name: 'lower', parameters: ['conv1.weight', 'bn1.weight', 'bn1.bias'], weightDecay: 1e-3 },
  { name: 'upper', parameters: ['layer1.0.conv2.weight', 'layer2.0.downsample.1.weight'], weightDecay: 0 },
  { name: 'head', parameters: ['fc.weight', 'fc.bias'], weightDecay: 1e-2 },
];
const kinds: Readonly<Record<string, OptimizerSpec>> = {
  plain: optimizers.sgd({ momentum: 0 }),
  momentum: optimizers.sgd(),
  dampened: optimizers.sgd({ momentum: 0.7, dampening: 0.4 }),
  nesterov: optimizers.sgd({ nesterov: true }),
  adam: optimizers.adam(),
  'adam-short': optimizers.adam({ betas: [0.5, 0.9], eps: 1e-4 }),
  adamw: optimizers.adamW(),
  rmsprop: optimizers.rmsprop(),
  'rmsprop-momentum': optimizers.rmsprop({ alpha: 0.9, momentum: 0.8 }),
  'rmsprop-centered': optimizers.rmsprop({ centered: true, eps: 1e-3 }),
  'rmsprop-centered-momentum': optimizers.rmsprop({ alpha: 0.9, centered: true, momentum: 0.8, eps: 1e-3 }),
  nadam: optimizers.nadam(),
  'nadam-decoupled': optimizers.nadam({ betas: [0.5, 0.9], momentumDecay: 0.1, decoupledWeightDecay: true }),
  lion: optimizers.lion(),
  'lion-short': optimizers.lion({ betas: [0.5, 0.8] }),
};
/** In float32 a direction near zero may have another sign. */
const SIGNED: ReadonlySet<string> = new Set(['lion']);

describe('optimizers', { skip }, () => {
  for (const [dtype, bound] of [
    ['float32', 1e-6],
    ['float64', 1e-8],
  ] as const) {
    it(`equal torch.optim and timm.optim on recorded gradients, in ${dtype}`, (t) => compare(t, dtype, bound));
  }
});

async function compare(t: TestContext, dtype: ModelDtype, bound: number): Promise<void> {
  const folder = await temporaryDirectory(t);
  const shapes = new Map(describedShapes());
  const names = groups.flatMap((group) => group.parameters);
  const shapeOf = (name: string) => shapes.get(name) ?? assert.fail();
  const start = Object.fromEntries(
    names.map((name, position): [string, Tensor] => {
      const shape = shapeOf(name);
      return [name, { shape, values: Float32Array.from(weightValues(name, shape, position)) }];
    }),
  );
  writeTensors(join(folder, 'start.safetensors'), start);
  // Gradients shrink as in training; one tensor has none at every fourth step, another none before the tenth.
  const recorded: Record<string, Tensor> = {};
  for (let step = 0; step < STEPS; step++) {
    for (const [position, name] of names.entries()) {
      if ((position === 3 && step % 4 === 3) || (position === 6 && step < 10)) continue;
      const shape = shapeOf(name);
      const size = 0.1 * 0.8 ** step;
      recorded[`${step}/${name}`] = {
        shape,
        values: Float32Array.from(uniform(sizeOf(shape), 100 * step + position, -size, size)),
      };
    }
  }
  writeTensors(join(folder, 'gradients.safetensors'), recorded);

  const rates = Array.from({ length: STEPS }, (_, step) => [1e-3, 3e-3, 1e-2].map((rate) => rate * (1 - step / STEPS)));
  const tested = Object.entries(kinds).filter(([, { kind }]) => dtype === 'float64' || !SIGNED.has(kind));
  const cases = tested.map(([name, optimizer]) => ({ name, dtype, classes: 10, optimizer, groups, rates }));
  await reference('optimizers', folder, { cases });

  const weights = new Comparison(`Optimizers on 25 recorded gradients, ${dtype}: weights`, bound);
  const states = new Comparison(`Optimizers on 25 recorded gradients, ${dtype}: state`, bound);
  /** Recorded in float32, which float64 holds exactly. */
  const floats = (values: Tensor['values']): Floats => {
    assert.ok(values instanceof Float32Array);
    return dtype === 'float64' ? Float64Array.from(values) : values;
  };
  const model = nativeModel({ classes: 10, hidden: [] }, dtype);
  for (const c of cases) {
    for (const [name, { values }] of Object.entries(start)) await model.write(name, floats(values));
    const session = new (native().Session)(model, { ...c, batchNormTraining: [], compute: 'dtype', seed: 0 });
    for (const [step, row] of rates.entries()) {
      const given = names.flatMap((name): [string, Floats][] => {
        const values = recorded[`${step}/${name}`]?.values;
        return values === undefined ? [] : [[name, floats(values)]];
      });
      await session.apply(Object.fromEntries(given), Float64Array.from(row));
    }
    const path = join(folder, `${c.name}-state.safetensors`);
    await session.save([{ path, holds: 'state', metadata: {} }]);
    session.dispose();
    const state = readTensors(path);
    const expected = readTensors(join(folder, `${c.name}-${dtype}.safetensors`));
    for (const name of names)
      weights.add(`${c.name}, ${name}`, relativeError(await model.read(name), expected.floats(name)));
    const stateNames = [...expected.tensors.keys()].filter((name) => !names.includes(name));
    // Beside it lie the weights that the session began with.
    const held = [...state.tensors.keys()].filter((name) => !name.endsWith('.start'));
    assert.deepEqual(held.sort(), stateNames.sort(), `${c.name}: names of the state`);
    for (const name of stateNames)
      states.add(`${c.name}, ${name}`, relativeError(state.floats(name), expected.floats(name)));
  }
  model.dispose();
  weights.settle();
  states.settle();
}

function describedShapes(): [string, readonly number[]][] {
  const model = nativeModel({ classes: 10, hidden: [] }, 'float32');
  const shapes = model.tensors().map(({ name, shape }): [string, readonly number[]] => [name, shape]);
  model.dispose();
  return shapes;
}
