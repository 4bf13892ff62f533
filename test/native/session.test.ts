import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { openLoader } from '../../src/data/loader.js';
import { openWeights } from '../../src/model/weights/index.js';
import type { NativeModel } from '../../src/native/contract/model.js';
import type { NativeOptimizer } from '../../src/native/contract/optimizer.js';
import { native } from '../../src/native/load.js';
import { writeFolders } from '../data/fixtures.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { philox, unit } from './data/philox.js';
import { uniform } from './support/numbers.js';
import {
  ADAM,
  differing,
  fill,
  newModel,
  newSession,
  normsOf,
  parametersOf,
  SGD,
  valuesOf,
} from './support/sessions.js';

const SHAPE = [2, 3, 64, 64] as const;
const IMAGES = Float32Array.from(uniform(2 * 3 * 64 * 64, 1));
const LABELS = Int32Array.of(0, 1);
const rates = (rate: number): Float64Array => Float64Array.of(rate);
const TRAINED = ['layer4.2.conv3.weight', 'layer4.2.bn3.weight', 'fc.weight', 'fc.bias'];
const NORMS = ['layer4.2.bn3'];

describe('a session that goes on from its state is the one that was not interrupted, bit for bit', () => {
  const optimizers: Readonly<Record<string, NativeOptimizer>> = {
    sgd: { ...SGD, momentum: 0.9, dampening: 0.1 },
    adam: ADAM,
    adamW: { ...ADAM, kind: 'adamw' },
    rmsprop: { kind: 'rmsprop', alpha: 0.9, eps: 1e-8, momentum: 0.8, centered: true },
    nadam: { ...ADAM, kind: 'nadam', momentumDecay: 0.1, decoupledWeightDecay: false },
    lion: { kind: 'lion', beta1: 0.9, beta2: 0.99 },
  };
  for (const [name, optimizer] of Object.entries(optimizers)) {
    it(name, async (t) => {
      const folder = await temporaryDirectory(t);
      const [weights, state] = [join(folder, 'weights.safetensors'), join(folder, 'last.state')];
      const options = { optimizer, batchNormTraining: NORMS };
      const steps = async (session: ReturnType<typeof newSession>, from: number, to: number) => {
        const losses: number[] = [];
        for (let i = from; i < to; i++)
          losses.push((await session.step(IMAGES, SHAPE, LABELS, rates(1e-3 * (i + 1)))).loss);
        return losses;
      };
      const whole = newModel();
      const session = newSession(whole, TRAINED, options);
      await steps(session, 0, 3);
      await session.save([
        { path: weights, holds: 'model', metadata: {} },
        { path: state, holds: 'state', metadata: {} },
      ]);
      const expected = await steps(session, 3, 5);

      const resumed = newModel({ seed: 8 });
      await resumed.load(weights, [...(await openWeights(weights)).tensors.values()]);
      const next = newSession(resumed, TRAINED, options);
      await next.loadState(state, [...(await openWeights(state)).tensors.values()]);
      assert.deepEqual(await steps(next, 3, 5), expected);
      assert.deepEqual(differing(await valuesOf(whole), await valuesOf(resumed)), []);
      for (const each of [session, next]) each.dispose();
      for (const each of [whole, resumed]) each.dispose();
    });
  }
});

describe('dropout', () => {
  const [HIDDEN, P, SEED] = [64, 0.3, 5];

  /** What the mask of a layer is by its address: of the seed, the epoch, the image and the layer. */
  function expectedMask(epoch: number, sample: number, layer: number): readonly number[] {
    const scale = Math.fround(1 / (1 - P));
    return Array.from({ length: HIDDEN }, (_, i) => {
      const [a = 0, b = 0, c = 0, d = 0] = philox(
        [i >> 1, ((3 << 24) | (layer << 16)) >>> 0, sample, epoch],
        [SEED, 0],
      );
      const [low, high] = i % 2 === 0 ? [a, b] : [c, d];
      return unit((BigInt(high) << 32n) | BigInt(low)) < P ? 0 : scale;
    });
  }

  /**
   * The mask behind a hidden layer of a float64 network whose hidden units are all 1 and whose two logits are 0: half the
   * gradient of the next layer's weights.
   */
  async function maskOf(layer: number, epoch: number, sample: number): Promise<readonly number[]> {
    const last = layer === 1;
    const model = newModel({ hidden: last ? [HIDDEN, HIDDEN] : [HIDDEN], dropout: P, dtype: 'float64' });
    const weight = `fc.${3 * (layer + 1)}.weight`;
    for (const name of parametersOf(model).filter((each) => each.startsWith('fc'))) {
      await fill(model, name, /^fc\.(0|3)\.bias$/.test(name) && name !== weight.replace('weight', 'bias') ? 1 : 0);
    }
    const session = newSession(model, [weight], { seed: SEED });
    const address = { epoch, samples: Int32Array.of(sample) };
    const image = Float64Array.from(IMAGES.subarray(0, 3 * 32 * 32));
    await session.step(image, [1, 3, 32, 32], Int32Array.of(0), rates(2), address);
    const moved = await model.read(weight);
    session.dispose();
    model.dispose();
    // The label's row moves up by rate · (1 − 1/2) · mask, and the other one down.
    assert.deepEqual(
      Array.from(moved.subarray(HIDDEN, 2 * HIDDEN), (value) => 0 - value),
      [...moved.subarray(0, HIDDEN)].map((v) => 0 + v),
    );
    return [...moved.subarray(0, HIDDEN)];
  }

  it('falls as the address says, and scales by exactly 1 / (1 − p): by epoch, image and layer', async () => {
    const seen = new Set<string>();
    for (const [layer, epoch, sample] of [
      [0, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [0, 7, 123_456],
      [1, 0, 0],
      [1, 1, 0],
    ] as const) {
      const mask = await maskOf(layer, epoch, sample);
      assert.deepEqual(mask, expectedMask(epoch, sample, layer), `layer ${layer}, epoch ${epoch}, image ${sample}`);
      seen.add(String(mask));
    }
    assert.equal(seen.size, 6);
  });

  it('leaves out a share of p', () => {
    const masks = Array.from({ length: 200 }, (_, sample) => expectedMask(2, sample, 1)).flat();
    const share = masks.filter((value) => value === 0).length / masks.length;
    assert.ok(Math.abs(share - P) < 0.02, String(share));
  });
});

test('the weights that were kept are the model after that step, tensor by tensor, buffers too', async (t) => {
  const folder = await temporaryDirectory(t);
  const model = newModel();
  const session = newSession(model, parametersOf(model), { batchNormTraining: normsOf(model), optimizer: ADAM });
  await session.step(IMAGES, SHAPE, LABELS, rates(1e-3));
  await session.keepWeights();
  const kept = await valuesOf(model);
  await session.step(IMAGES, SHAPE, LABELS, rates(1e-3));
  const moved = differing(kept, await valuesOf(model));
  // Biases of convolutions behind a BatchNorm there are none, so all but the counters of nothing move.
  assert.equal(moved.length, kept.size);
  const path = join(folder, 'best.safetensors');
  await session.save([{ path, holds: 'kept', metadata: {} }]);
  const read = newModel({ seed: 4 });
  await read.load(path, [...(await openWeights(path)).tensors.values()]);
  assert.deepEqual(differing(kept, await valuesOf(read)), []);
  session.dispose();
  for (const each of [model, read]) each.dispose();
});

test('evaluation counts a label among five where it ranks fifth, and not where it ranks sixth', async (t) => {
  const folder = await writeFolders(await temporaryDirectory(t), { a: 7 });
  const model = newModel({ classes: 7 });
  await fill(model, 'fc.weight', 0);
  await model.write('fc.bias', Float32Array.from([6, 5, 4, 3, 2, 1, 0]));
  const paths = Array.from({ length: 7 }, (_, i) => join(folder, 'a', `${i}.jpg`));
  const crop = { kind: 'center', size: 32, resize: 32, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0 } as const;
  const counted = async (labels: readonly number[]) => {
    const files = new (native().FileList)(paths.slice(0, labels.length), Int32Array.from(labels));
    const loader = openLoader({ files, crop, batchSize: 3, epoch: 0, seed: 0, training: false });
    const { images, top1, top5 } = await model.evaluate({ loader, compute: 'dtype', maxBatches: 9 });
    loader.dispose();
    return [images, top1, top5];
  };
  assert.deepEqual(await counted([0, 1, 2, 3, 4, 5, 6]), [7, 1, 5]);
  assert.deepEqual(await counted([4]), [1, 0, 1]);
  assert.deepEqual(await counted([5]), [1, 0, 0]);
  model.dispose();
});

test('evaluation answers probabilities where they are asked for, in float64 until the end', async (t) => {
  const folder = await writeFolders(await temporaryDirectory(t), { a: 5 });
  const model = newModel({ classes: 4 });
  await fill(model, 'fc.weight', 0);
  const logits = [0, 17, 40, 17.5];
  await model.write('fc.bias', Float32Array.from(logits));
  const paths = Array.from({ length: 5 }, (_, i) => join(folder, 'a', `${i}.jpg`));
  const crop = { kind: 'center', size: 32, resize: 32, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0 } as const;
  const files = new (native().FileList)(paths, new Int32Array(5));
  const evaluated = async (asked: { readonly probabilities?: boolean }) => {
    const loader = openLoader({ files, crop, batchSize: 2, epoch: 0, seed: 0, training: false });
    const parts = [];
    // Two batches a call, so that one call has several and there are several calls.
    for (const maxBatches of [2, 2])
      parts.push(await model.evaluate({ loader, compute: 'dtype', maxBatches, ...asked }));
    loader.dispose();
    return parts.map(({ probabilities }) => probabilities);
  };
  const powers = logits.map((value) => Math.exp(value - 40));
  const row = powers.map((power) => power / powers.reduce((a, b) => a + b));
  const expected = Float32Array.from(Array.from({ length: 5 }, () => row).flat());
  const [four, one] = await evaluated({ probabilities: true });
  assert.deepEqual([...(four ?? []), ...(one ?? [])], [...expected]);
  assert.equal(one?.length, 4);
  for (const asked of [{}, { probabilities: false }]) assert.deepEqual(await evaluated(asked), [undefined, undefined]);
  model.dispose();
});

test('a session gives back the weights that it kept, buffers too, and the compiled network follows', async () => {
  const model = newModel();
  const session = newSession(model, TRAINED, { batchNormTraining: NORMS });
  const answer = () => model.forward(IMAGES, SHAPE, { output: 'logits', compute: 'dtype' });
  await assert.rejects(
    session.restoreWeights(),
    fails('ERR_INTERNAL', /^The weights of the best epoch were not copied/),
  );
  await session.step(IMAGES, SHAPE, LABELS, rates(1e-2));
  const [before, expected] = [await valuesOf(model), await answer()];
  await session.keepWeights();
  await session.step(IMAGES, SHAPE, LABELS, rates(1e-2));
  assert.notDeepEqual(await answer(), expected);
  await session.restoreWeights();
  assert.deepEqual(differing(before, await valuesOf(model)), []);
  assert.deepEqual(await answer(), expected);
  session.dispose();
  model.dispose();
});

describe('a session that is disposed of while it works', () => {
  const open = (model: NativeModel) => newSession(model, ['fc.weight']);

  it('finishes what it was asked before, and keeps the model until then', async () => {
    const model = newModel();
    const session = open(model);
    const [first, second] = [1, 2].map(() => session.step(IMAGES, SHAPE, LABELS, rates(1e-3)));
    session.dispose();
    assert.throws(() => open(model), fails('ERR_BUSY', /another session/));
    await first;
    await second;
    await assert.rejects(async () => session.drift(), fails('ERR_DISPOSED', /disposed/));
    // The last of its work holds it no more once its caller has heard.
    await model.read('fc.bias');
    const next = open(model);
    await next.step(IMAGES, SHAPE, LABELS, rates(1e-3));
    next.dispose();
    model.dispose();
  });

  it('gives the model free at once where nothing is under way', async () => {
    const model = newModel();
    const session = open(model);
    await session.step(IMAGES, SHAPE, LABELS, rates(1e-3));
    session.dispose();
    const next = open(model);
    await next.step(IMAGES, SHAPE, LABELS, rates(1e-3));
    next.dispose();
    model.dispose();
  });
});
