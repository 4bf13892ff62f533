import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FreezeRule } from '../../src/model/freeze.js';
import { groups } from '../../src/optim/groups.js';
import { optimizers } from '../../src/optim/optimizers.js';
import { TrainingSession } from '../../src/training/session.js';
import { imageValues, labelValues } from '../parity/recipe.js';
import { weightsOf } from '../training/support/tiny.js';
import { deviceUnderTest, noDeviceUnderTest } from './support/device.js';
import { apart, recipeCheckpoint, type Weights } from './support/models.js';

const classes = 5;

/** Batches of each size, so many that a step is recorded, anew for each size, and replayed. */
const batches = [4, 6, 4].flatMap((images) => Array.from({ length: 5 }, () => images));

/** What trains, and how far float32 may come from itself, where cuDNN's sums vary from run to run. */
const plans: readonly { readonly name: string; readonly freeze: FreezeRule; readonly bound: number }[] = [
  { name: 'the head', freeze: 'backbone', bound: 1e-3 },
  { name: 'layer4 and the head', freeze: { until: 'layer3' }, bound: 2e-2 },
];

describe('recorded steps against plain ones', { skip: noDeviceUnderTest }, () => {
  const checkpoint = recipeCheckpoint(classes, [16]);

  async function trained(freeze: FreezeRule, recorded: boolean) {
    using model = await checkpoint.on(deviceUnderTest);
    model.freeze(freeze);
    const start = await weightsOf(model);
    const trainable = model.frozen?.plan.trainable ?? new Set<string>();
    using session = new TrainingSession(model, {
      groups: groups.uniform(model.units(), { lr: 1e-4, weightDecay: 0.01, trainable }),
      optimizer: optimizers.adam({ eps: 1e-3 }),
      precision: 'fp32',
      cudaGraph: recorded,
    });
    const losses: number[] = [];
    const step = async (images: number) => {
      const shape = [images, 3, 64, 64] as const;
      const values = Float32Array.from(imageValues(shape, losses.length));
      losses.push((await session.step(values, labelValues(images, classes, losses.length), { shape })).loss);
    };
    for (const images of batches) await step(images);
    // New weights in a session that lives on: what was recorded is recorded anew.
    const bias = await model.handle.read('fc.3.bias');
    await model.handle.write('fc.3.bias', bias.fill(0.25));
    for (let i = 0; i < 5; i++) await step(4);
    return { losses, start, end: (await weightsOf(model)) as Weights, notes: session.notes };
  }

  for (const { name, freeze, bound } of plans) {
    it(`${name}: sizes of batches that come, go and come again, and new weights`, async (t) => {
      // The CPU records nothing: there it is seen that the comparison holds.
      const [got, plain] = [await trained(freeze, deviceUnderTest !== 'cpu'), await trained(freeze, false)];
      assert.deepEqual(got.notes, []);
      for (const [index, loss] of plain.losses.entries()) {
        const difference = Math.abs((got.losses[index] ?? Number.NaN) - loss);
        assert.ok(
          difference <= bound * Math.max(1, loss),
          `the losses of step ${index}: ${got.losses[index]}, ${loss}`,
        );
      }
      const { share, tensor } = apart(got.end, plain.end, plain.start);
      t.diagnostic(`apart by ${share.toExponential(1)} of the way, ${tensor}`);
      assert.ok(share <= bound, `${tensor} is apart by ${share} of the way`);
    });
  }
});
