import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type BatchNormPolicy, type FreezeRule, resolveFreeze } from '../../src/model/freeze.js';
import { describeUnits, UNIT_NAMES } from '../../src/model/units.js';
import type { Floats } from '../../src/native/contract/model.js';
import type { NativeLoss } from '../../src/native/contract/session.js';
import { native } from '../../src/native/load.js';
import { buildGroups, type GroupSpec } from '../../src/optim/groups.js';
import { type OptimizerSpec, optimizers } from '../../src/optim/optimizers.js';
import { temporaryDirectory } from '../support/paths.js';
import { relativeError } from './compare.js';
import { Comparison, type Head, loadedModel, reference, skip } from './harness.js';
import { imageValues, labelValues, sizeOf } from './recipe.js';
import { readTensors, type TensorFile, writeTensors } from './safetensors.js';

interface Plan {
  readonly name: string;
  readonly hidden?: readonly number[];
  readonly freeze: FreezeRule;
  readonly batchNorm: BatchNormPolicy;
  readonly groups: GroupSpec;
  readonly optimizer: OptimizerSpec;
  /** Default: cross-entropy. */
  readonly loss?: NativeLoss;
  readonly clipNorm?: number;
}

const tiers = {
  kind: 'tiers',
  tiers: [
    { until: 0.5, lr: 1e-4 },
    { until: 1, lr: 5e-4 },
  ],
  headLr: 2e-3,
} as const;
const stages = { kind: 'byUnit', lr: { layer3: 1e-4, layer4: 3e-4, head: 1e-3 } } as const;

const plans: readonly Plan[] = [
  {
    name: 'nesterov-none-frozen',
    freeze: 'none',
    batchNorm: 'follow',
    groups: { ...tiers, weightDecay: 1e-4 },
    optimizer: optimizers.sgd({ momentum: 0.9, nesterov: true }),
  },
  { name: 'adam-none-frozen', freeze: 'none', batchNorm: 'follow', groups: tiers, optimizer: optimizers.adam() },
  {
    name: 'adamw-evaluating-norms',
    freeze: 'none',
    batchNorm: 'eval',
    groups: { ...tiers, weightDecay: 0.05 },
    optimizer: optimizers.adamW(),
  },
  {
    name: 'sgd-frozen-to-layer2',
    freeze: { until: 'layer2' },
    batchNorm: 'follow',
    groups: { ...stages, weightDecay: 1e-3 },
    optimizer: optimizers.sgd({ momentum: 0.8, dampening: 0.2 }),
  },
  {
    name: 'adamw-frozen-to-layer3-training-norms',
    freeze: { until: 'layer3' },
    batchNorm: 'train',
    groups: {
      ...stages,
      lr: { 'layer4.0': 1e-4, 'layer4.1': 2e-4, 'layer4.2': 3e-4, head: 1e-3 },
      weightDecay: 0.05,
      noDecayNormBias: true,
    },
    optimizer: optimizers.adamW({ betas: [0.8, 0.99], eps: 1e-6 }),
  },
  {
    name: 'adam-frozen-half',
    freeze: { fraction: 0.5 },
    batchNorm: 'follow',
    groups: {
      ...tiers,
      tiers: [
        { until: 0.75, lr: 1e-4 },
        { until: 1, lr: 3e-4 },
      ],
      weightDecay: 1e-3,
    },
    optimizer: optimizers.adam({ betas: [0.9, 0.99] }),
  },
  {
    name: 'adam-frozen-backbone-hidden-head',
    hidden: [64],
    freeze: 'backbone',
    batchNorm: 'follow',
    groups: { kind: 'uniform', lr: 1e-3, weightDecay: 1e-2, noDecayNormBias: true },
    optimizer: optimizers.adam(),
  },
  ...lossPlans(),
  // By SGD: Adam divides by the size of gradients, and would hardly notice.
  {
    name: 'sgd-clipped',
    freeze: { until: 'layer3' },
    batchNorm: 'follow',
    groups: { kind: 'uniform', lr: 1e-3 },
    optimizer: optimizers.sgd(),
    clipNorm: 1,
  },
];

/** Each loss through the backbone's last stage. */
function lossPlans(): readonly Plan[] {
  const classWeights = Float64Array.of(0.5, 2, 1, 4, 0.25, 1);
  const losses: Readonly<Record<string, NativeLoss>> = {
    smoothed: { name: 'cross-entropy', labelSmoothing: 0.1 },
    weighted: { name: 'cross-entropy', classWeights },
    'smoothed-weighted': { name: 'cross-entropy', labelSmoothing: 0.2, classWeights },
    focal: { name: 'focal', gamma: 2 },
    'focal-weighted': { name: 'focal', gamma: 0.5, classWeights },
  };
  return Object.entries(losses).map(([name, loss]) => ({
    name: `loss-${name}`,
    freeze: { until: 'layer3' },
    batchNorm: 'follow',
    groups: { kind: 'uniform', lr: 1e-3 },
    optimizer: optimizers.sgd(),
    loss,
  }));
}

const CLASSES = 6;
const STEPS = 10;
// 36 pixels end as 2×2 in the last stage, by way of 9, 5 and 3.
const SHAPE = [4, 3, 36, 36] as const;

/** What both sides are handed: names, rates and modes, resolved by the library's own rules. */
function resolve(plan: Plan) {
  const head: Head = { classes: CLASSES, hidden: plan.hidden ?? [] };
  const units = describeUnits({ ...head, dropout: 0 });
  const freeze = resolveFreeze(units, plan.freeze, { batchNorm: plan.batchNorm });
  const groups = buildGroups(units, plan.groups, freeze.trainable);
  const rates = Array.from({ length: STEPS }, (_, step) =>
    groups.map(({ lr }) => lr * (1 - 0.8 * (step / STEPS) ** 2)),
  );
  const weights = `${plan.hidden === undefined ? 'linear' : 'hidden'}.safetensors`;
  return {
    ...head,
    name: plan.name,
    groups,
    optimizer: plan.optimizer,
    loss: plan.loss ?? { name: 'cross-entropy' },
    ...(plan.clipNorm === undefined ? {} : { clipNorm: plan.clipNorm }),
    batchNormTraining: freeze.batchNormTraining,
    rates,
    weights,
  };
}

function numbers(file: TensorFile, name: string): Float64Array | undefined {
  const values = file.tensors.get(name)?.values;
  if (values === undefined || values instanceof Float64Array) return values;
  return values instanceof BigInt64Array ? Float64Array.from(values, Number) : new Float64Array(values);
}

function changeOf(values: Floats, start: Float64Array): Float64Array {
  const change = new Float64Array(values.length);
  for (let i = 0; i < change.length; i++) change[i] = (values[i] ?? Number.NaN) - (start[i] ?? Number.NaN);
  return change;
}

describe('training', { skip }, () => {
  it('equals torch.optim over autograd in float64', async (t) => {
    const folder = await temporaryDirectory(t);
    const images = [0, 1].map((batch) => imageValues(SHAPE, batch));
    const labels = [0, 1].map((batch) => labelValues(SHAPE[0], CLASSES, batch));
    const both = new Float64Array(2 * sizeOf(SHAPE));
    images.forEach((values, batch) => void both.set(values, batch * values.length));
    writeTensors(join(folder, 'batches.safetensors'), {
      images: { shape: [2, ...SHAPE], values: both },
      labels: { shape: [2, SHAPE[0]], values: Int32Array.from(labels.flatMap((values) => [...values])) },
    });

    const gradients = new Comparison('Gradients of every trainable tensor, float64', 1e-8);
    const parameters = new Comparison('Weights after ten steps, float64', 1e-8);
    const statistics = new Comparison('BatchNorm running statistics after ten steps, float64', 1e-8);
    const changes = new Comparison('Change of the weights over ten steps, float64', 1e-6);
    const drifts = new Comparison('Drift of each unit', 1e-8);

    for (const plan of plans) {
      const c = resolve(plan);
      const { classWeights } = c.loss;
      const loss = { ...c.loss, ...(classWeights === undefined ? {} : { classWeights: [...classWeights] }) };
      const answer = (await reference('training', folder, { cases: [{ ...c, loss }] })) as Record<
        string,
        { losses: number[]; drift: Record<string, number> }
      >;
      const { losses, drift } = answer[c.name] ?? assert.fail();
      const start = readTensors(join(folder, c.weights));
      const options = { ...c, compute: 'dtype', seed: 0 } as const;

      const model = await loadedModel(c, 'float64', start);
      const session = new (native().Session)(model, options);
      const found = await session.gradients(images[0] ?? assert.fail(), SHAPE, labels[0] ?? assert.fail());
      const expectedGradients = readTensors(join(folder, `${c.name}-gradients.safetensors`));
      assert.deepEqual(Object.keys(found.gradients).sort(), [...expectedGradients.tensors.keys()].sort());
      for (const [name, values] of Object.entries(found.gradients)) {
        gradients.add(`${c.name}, ${name}`, relativeError(values, expectedGradients.floats(name)));
      }
      // Asking for gradients moved the running statistics of the norms in training mode.
      const buffers = new Set(
        model
          .tensors()
          .filter(({ kind }) => kind === 'buffer')
          .map(({ name }) => name),
      );
      await model.load(
        start.path,
        start.table.filter(({ name }) => buffers.has(name)),
      );

      for (const [step, rates] of c.rates.entries()) {
        const { loss } = await session.step(
          images[step % 2] ?? assert.fail(),
          SHAPE,
          labels[step % 2] ?? assert.fail(),
          Float64Array.from(rates),
        );
        assert.ok(Math.abs(loss - (losses[step] ?? Number.NaN)) <= 1e-6 * loss, `${c.name}: loss of step ${step}`);
      }
      const moved = await session.drift();
      for (const [index, unit] of UNIT_NAMES.entries())
        drifts.add(`${c.name}, ${unit}`, Math.abs((moved[index] ?? Number.NaN) - (drift[unit] ?? 0)));
      session.dispose();

      const end = readTensors(join(folder, `${c.name}-weights.safetensors`));
      for (const { name, kind } of model.tensors()) {
        const actual = await model.read(name);
        const first = numbers(start, name) ?? assert.fail();
        const expected = numbers(end, name);
        // PyTorch left it alone, and so must we, to the bit.
        if (expected === undefined) {
          assert.equal(relativeError(actual, first), 0, `${c.name}: ${name} is frozen, and moved`);
          continue;
        }
        (kind === 'parameter' ? parameters : statistics).add(`${c.name}, ${name}`, relativeError(actual, expected));
        if (kind === 'parameter') {
          changes.add(`${c.name}, ${name}`, relativeError(changeOf(actual, first), changeOf(expected, first)));
        }
      }
      model.dispose();
      for (const kind of ['gradients', 'weights']) rmSync(join(folder, `${c.name}-${kind}.safetensors`));
    }
    for (const comparison of [gradients, parameters, statistics, changes, drifts]) comparison.settle();
  });
});
