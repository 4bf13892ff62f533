import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Device } from '../../src/model/device.js';
import type { FreezeRule } from '../../src/model/freeze.js';
import type { Precision } from '../../src/model/precision.js';
import { native } from '../../src/native/load.js';
import { groups } from '../../src/optim/groups.js';
import { type OptimizerSpec, optimizers } from '../../src/optim/optimizers.js';
import { TrainingSession } from '../../src/training/session.js';
import { cases, floats, golden, row, type TrainingCase } from '../model/support/golden.js';
import { digest, imageValues, labelValues, weightValues } from '../parity/recipe.js';
import { weightsOf } from '../training/support/tiny.js';
import { deviceUnderTest, noDeviceUnderTest } from './support/device.js';
import { apart, recipeCheckpoint, type Weights } from './support/models.js';

const shape = [8, 3, 64, 64] as const;
const classes = 5;

/** What trains, for how many steps, and how far from the CPU's way it may come in float32. */
interface Plan {
  readonly name: string;
  readonly freeze: FreezeRule;
  readonly optimizer: OptimizerSpec;
  readonly lr: number;
  readonly steps: number;
  readonly bound: number;
}

// With a large eps, gradients near zero, whose sign is chance, move little.
const part: Plan = {
  name: 'a part',
  freeze: { until: 'layer3' },
  optimizer: optimizers.adam({ eps: 1e-3 }),
  lr: 1e-4,
  steps: 3,
  bound: 2e-2,
};
const plans: readonly Plan[] = [
  {
    name: 'a frozen backbone',
    freeze: 'backbone',
    optimizer: optimizers.adamW({ eps: 1e-3 }),
    lr: 1e-3,
    steps: 5,
    bound: 1e-3,
  },
  part,
  // One step: behind so many BatchNorms float32 is chaotic, on the CPU against itself too, and more so against the sums of a
  // device, whose order is another and may change from run to run. A gradient that is wrong is apart by all of the way.
  {
    name: 'everything',
    freeze: 'none',
    optimizer: optimizers.sgd({ momentum: 0.9 }),
    lr: 1e-3,
    steps: 1,
    bound: deviceUnderTest === 'cpu' ? 6e-2 : 0.2,
  },
];

interface Trained {
  readonly losses: readonly number[];
  readonly start: Weights;
  readonly end: Weights;
}

describe('training steps on a device against the CPU', { skip: noDeviceUnderTest }, () => {
  const checkpoint = recipeCheckpoint(classes, [16]);

  async function trained(plan: Plan, device: Device, precision: Precision, lossScale?: number): Promise<Trained> {
    using model = await checkpoint.on(device);
    model.freeze(plan.freeze);
    const start = await weightsOf(model);
    const trainable = model.frozen?.plan.trainable ?? new Set<string>();
    using session = new TrainingSession(model, {
      groups: groups.uniform(model.units(), { lr: plan.lr, weightDecay: 0.01, trainable }),
      optimizer: plan.optimizer,
      precision,
      ...(lossScale === undefined ? {} : { lossScale }),
    });
    const losses: number[] = [];
    for (let step = 0; step < plan.steps; step++) {
      const images = Float32Array.from(imageValues(shape, step));
      losses.push((await session.step(images, labelValues(shape[0], classes, step), { shape })).loss);
    }
    return { losses, start, end: await weightsOf(model) };
  }

  const onCpu = new Map<string, Promise<Trained>>();
  /** Each training of the CPU's once. */
  function cpu(plan: Plan, precision: 'fp32' | 'bf16'): Promise<Trained> {
    const key = `${plan.name} ${precision}`;
    const known = onCpu.get(key) ?? trained(plan, 'cpu', precision);
    onCpu.set(key, known);
    return known;
  }
  after(() => onCpu.clear());

  for (const plan of plans) {
    it(`fp32, ${plan.name}: losses and weights are the CPU's`, async (t) => {
      const [got, expected] = [await trained(plan, deviceUnderTest, 'fp32'), await cpu(plan, 'fp32')];
      expectLosses(got.losses, expected.losses, Math.min(plan.bound, 6e-2));
      const { share, tensor } = apart(got.end, expected.end, expected.start);
      t.diagnostic(`apart by ${share.toExponential(1)} of the way, ${tensor}`);
      assert.ok(share <= plan.bound, `${tensor} is apart by ${share} of the way`);
    });

    // How far 16 bits may lead away from float32 is what the CPU's bfloat16 says; fp16 has three bits more.
    for (const precision of ['bf16', 'fp16'] as const) {
      const skip = precision === 'fp16' && deviceUnderTest === 'cpu' && 'the CPU has no fp16';
      it(`${precision}, ${plan.name}: no further from float32 than the CPU's bfloat16`, { skip }, async (t) => {
        const [exact, rounded] = [await cpu(plan, 'fp32'), await cpu(plan, 'bf16')];
        const got = await trained(plan, deviceUnderTest, precision);
        const [mine, allowed] = [meanApart(got, exact), 2 * meanApart(rounded, exact) + plan.bound];
        t.diagnostic(`apart by ${mine.toExponential(1)} of the way on average, allowed ${allowed.toExponential(1)}`);
        assert.ok(mine <= allowed, `weights are apart by ${mine} of the way on average; ${allowed} is allowed`);
        expectLosses(got.losses, exact.losses, 5e-2);
      });
    }
  }

  // Losses times powers of two are no other losses: only an overflow could tell them apart.
  const skip = deviceUnderTest === 'cpu' && 'the CPU has no fp16';
  it('fp16, a part: a fixed scale comes to what one that follows the gradients does', { skip }, async () => {
    const [following, fixed] = [
      await trained(part, deviceUnderTest, 'fp16'),
      await trained(part, deviceUnderTest, 'fp16', 1024),
    ];
    const { share, tensor } = apart(fixed.end, following.end, following.start);
    assert.ok(share <= 5e-2, `${tensor} is apart by ${share} of the way`);
  });
});

function expectLosses(got: readonly number[], expected: readonly number[], bound: number): void {
  assert.equal(got.length, expected.length);
  for (const [step, loss] of expected.entries()) {
    const difference = Math.abs((got[step] ?? Number.NaN) - loss);
    assert.ok(difference <= bound * Math.max(1, loss), `the losses of step ${step} are ${got[step]} and ${loss}`);
  }
}

/** Over the tensors that moved, so that one of few values does not decide. */
function meanApart(got: Trained, expected: Trained): number {
  const shares: number[] = [];
  for (const [name, end] of expected.end) {
    if (!name.endsWith('weight') && !name.endsWith('bias')) continue;
    const start = expected.start.get(name) ?? [];
    if (Array.from(end).every((value, i) => value === start[i])) continue;
    const one = (weights: Weights): Weights => new Map([[name, weights.get(name) ?? []]]);
    shares.push(apart(one(got.end), one(expected.end), one(expected.start)).share);
  }
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

describe("training steps on a device against PyTorch's in float64", { skip: noDeviceUnderTest }, () => {
  const checkpoint = recipeCheckpoint(cases.classes, cases.hidden.float64);
  // Two steps of the whole network on six small images: float32 is chaotic there, and lies 0.23 of the way apart on the CPU.
  const boundsOf = (name: string) => (name === 'sgd-all' ? { loss: 2e-2, way: 0.6 } : { loss: 1e-3, way: 3e-2 });

  for (const c of cases.training) {
    it(`${c.rates.length} steps of ${c.name}, in three groups: losses and the way of each weight`, async (t) => {
      using model = await checkpoint.on(deviceUnderTest);
      const session = new (native().Session)(model.handle, { ...c, compute: 'dtype', seed: 0 });
      t.after(() => session.dispose());
      const bounds = boundsOf(c.name);
      const images = floats(imageValues(c.shape, c.stream), 'float32');
      const labels = labelValues(c.shape[0], cases.classes, c.stream);
      for (const [step, rates] of c.rates.entries()) {
        const { loss } = await session.step(images, c.shape, labels, Float64Array.from(rates));
        const expected = golden('training').floats(`${c.name}/losses`)[step] ?? Number.NaN;
        const bound = bounds.loss * Math.max(1, expected);
        assert.ok(Math.abs(loss - expected) <= bound, `loss of step ${step}: ${loss}, expected ${expected}`);
      }
      const worst = await worstWay(c, (name) => model.handle.read(name, 'float64'), model.handle.tensors());
      t.diagnostic(`apart by ${worst.share.toExponential(1)} of the way, ${worst.tensor}`);
      assert.ok(worst.share <= bounds.way, `${worst.tensor} is apart by ${worst.share} of the way`);
    });
  }
});

/** By digests, which are sums: the digest of a way is that of its end less that of its start. */
async function worstWay(
  c: TrainingCase,
  read: (name: string) => Promise<ArrayLike<number>>,
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Promise<{ readonly share: number; readonly tensor: string }> {
  let worst = { share: 0, tensor: '' };
  for (const [index, name] of c.groups.flatMap((group) => group.parameters).entries()) {
    const position = tensors.findIndex((tensor) => tensor.name === name);
    const start = digest(weightValues(name, tensors[position]?.shape ?? [], position));
    const [got, expected] = [digest(await read(name)), row(golden('training').floats(`${c.name}/weights`), index)];
    let [difference, way] = [0, 0];
    for (let k = 1; k < expected.length; k++) {
      const end = expected[k] ?? Number.NaN;
      difference += ((got[k] ?? Number.NaN) - end) ** 2;
      way += (end - (start[k] ?? Number.NaN)) ** 2;
    }
    const size = (expected[0] ?? Number.NaN) * Math.sqrt(expected.length - 1);
    const share = Math.sqrt(difference) / (Math.sqrt(way) + 1e-4 * size + 1e-30);
    if (!(share <= worst.share)) worst = { share, tensor: name };
  }
  return worst;
}
