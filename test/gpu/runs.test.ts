import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Device } from '../../src/model/device.js';
import type { Precision } from '../../src/model/precision.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import type { TrainOptions } from '../../src/training/options.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyModel, tinyOptions, weightsOf } from '../training/support/tiny.js';
import { capability, deviceUnderTest, noDeviceUnderTest } from './support/device.js';
import { apart, type Weights } from './support/models.js';

/** Dropout, momentum, augmentation and a schedule: everything that a run must take up where it was. */
const options = { ...tinyOptions, optimizer: 'sgd', lr: 1e-2, schedule: 'cosine', augment: 'standard' } as const;

/** Of the way that weights have come, so much may runs lie apart, beside twice what two whole runs do. */
const bound = 2e-2;

/**
 * In float32 without TF32 cuDNN's first choices for gradients of weights add up in an order that changes from run to run, and
 * what a last bit comes to behind several steps is chance. In 16 bits they do not: there two runs on one device are the same.
 */
function repeatable(): Precision {
  const [major] = capability() ?? [];
  if (major === undefined) return 'fp32';
  return major >= 8 ? 'bf16' : 'fp16';
}

/** A model that begins with the same weights on any device. */
async function models(t: TestContext): Promise<(device: Device) => Promise<ResNet50>> {
  const path = join(await temporaryDirectory(t), 'start.safetensors');
  using first = await tinyModel({ head: { hidden: 8, dropout: 0.3 } });
  await first.save(path);
  return async (device) => {
    const model = await ResNet50.load(path, { device });
    t.after(() => model.dispose());
    return model;
  };
}

/** Trains until an event of this step is read, and stops there with a checkpoint. */
async function stopped(
  model: ResNet50,
  data: Awaited<ReturnType<typeof tinyData>>,
  step: number,
  more: TrainOptions,
): Promise<void> {
  const controller = new AbortController();
  const run = train(model, data, { ...options, ...more, signal: controller.signal });
  run.result.catch(() => undefined);
  await assert.rejects(
    async () => {
      for await (const event of run) if (event.type === 'step' && event.step === step) controller.abort();
    },
    { name: 'AbortError' },
  );
}

/** @param other the end of another whole run, on whichever device the rest ran: what lies between the two is no fault of a run's */
function expectSameEnd(t: TestContext, got: Weights, whole: Weights, other: Weights, start: Weights): void {
  const { share, tensor } = apart(got, whole, start);
  const noise = apart(other, whole, start).share;
  const allowed = bound + 2 * noise;
  t.diagnostic(`apart by ${share.toExponential(1)} of the way, ${tensor}; whole runs by ${noise.toExponential(1)}`);
  assert.ok(share <= allowed, `${tensor} is apart by ${share} of the way; ${allowed} is allowed`);
}

describe('a run on a device', { skip: noDeviceUnderTest }, () => {
  const ways: readonly (readonly [string, Device, Device, () => Precision])[] = [
    ['that was stopped goes on to where it would have ended', deviceUnderTest, deviceUnderTest, repeatable],
    ['that was begun on the CPU ends where it would have ended there', 'cpu', deviceUnderTest, () => 'fp32'],
    ['that goes on on the CPU ends where it would have ended', deviceUnderTest, 'cpu', () => 'fp32'],
  ];
  for (const [says, first, second, precision] of ways) {
    it(says, async (t) => {
      const more = { precision: precision() };
      const data = await tinyData(t, { train: 8, val: 2 });
      const begin = await models(t);
      const whole = await begin(first);
      const start = await weightsOf(whole);
      await train(whole, data, { ...options, ...more }).result;
      const other = await begin(second);
      await train(other, data, { ...options, ...more }).result;

      const out = join(await temporaryDirectory(t), 'run');
      await stopped(await begin(first), data, 4, { ...more, out });
      const rest = await begin(second);
      await train(rest, data, { out, resume: true }).result;
      expectSameEnd(t, await weightsOf(rest), await weightsOf(whole), await weightsOf(other), start);
    });
  }

  const skip = deviceUnderTest === 'cpu' && 'the CPU has no fp16';
  it('in fp16 that was stopped goes on with its scale, and learns what it would have', { skip }, async (t) => {
    const data = await tinyData(t, { train: 8, val: 2 });
    const begin = await models(t);
    const whole = await train(await begin(deviceUnderTest), data, { ...options, precision: 'fp16' }).result;
    const out = join(await temporaryDirectory(t), 'run');
    await stopped(await begin(deviceUnderTest), data, 4, { precision: 'fp16', out });
    const rest = await train(await begin(deviceUnderTest), data, { out, resume: true }).result;
    assert.equal(rest.steps, whole.steps);
    const [got, expected] = [rest.best.loss, whole.best.loss];
    assert.ok(Math.abs(got - expected) <= 5e-2 * expected, `losses ${got} and ${expected}`);
  });
});

describe('a captured step', { skip: noDeviceUnderTest }, () => {
  it('trains as steps that are launched one by one do', async (t) => {
    if (deviceUnderTest === 'cpu') return t.skip('the CPU captures nothing');
    const data = await tinyData(t, { train: 24, val: 2 });
    const begin = await models(t);
    const ends: Weights[] = [];
    let start: Weights = new Map();
    for (const cudaGraph of [false, false, true]) {
      const model = await begin(deviceUnderTest);
      start = await weightsOf(model);
      const captured = { ...options, precision: repeatable(), ...(cudaGraph ? { cudaGraph } : {}) };
      try {
        await train(model, data, captured).result;
      } catch (error) {
        // An option that is not known is refused by name.
        if (!/cudaGraph/.test(String(error))) throw error;
        return t.skip('this version captures no step');
      }
      ends.push(await weightsOf(model));
    }
    const [plain, again, captured] = ends;
    assert.ok(plain !== undefined && again !== undefined && captured !== undefined);
    expectSameEnd(t, captured, plain, again, start);
  });
});
