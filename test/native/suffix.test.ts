import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveFreeze } from '../../src/model/freeze.js';
import { describeUnits } from '../../src/model/units.js';
import { native } from '../../src/native/load.js';
import { ADAM, type Case, equalsAutograd, IMAGES, LABELS, outcome, SHAPE } from './support/backward.js';
import { randomiseNorms } from './support/networks.js';
import { distance } from './support/numbers.js';

native().setThreads(1);

const half = resolveFreeze(describeUnits({ classes: 5, hidden: [16], dropout: 0 }), { fraction: 0.5 }).trainable;
const isNorm = (name: string): boolean => /(^|\.)(bn\d|downsample\.1)\.(weight|bias)$/.test(name);
const all = () => true;
const none = () => false;

const CASES: readonly Case[] = [
  { name: 'everything', trains: all, statistics: all },
  { name: 'everything, BatchNorm in evaluation mode', trains: all, statistics: none },
  {
    name: 'from layer2.1 on',
    trains: (p) => /^(layer2\.[123]|layer[34]|fc)/.test(p),
    statistics: (m) => /^(layer2\.[123]|layer[34])/.test(m),
  },
  {
    name: 'the second half of the convolutions',
    trains: (p) => half.has(p),
    statistics: (m) => half.has(`${m}.weight`),
  },
  {
    name: 'layer4 and the head, mixed statistics',
    trains: (p) => /^(layer4|fc)/.test(p),
    statistics: (m) => /^layer4\.\d\.(bn[13]|downsample\.1)$/.test(m),
  },
  {
    name: 'layer4 and the head, other mixed statistics',
    trains: (p) => /^(layer4|fc)/.test(p),
    statistics: (m) => /^layer4\.\d\.bn2$/.test(m),
  },
  { name: 'BatchNorm alone', trains: isNorm, statistics: all },
  { name: 'BatchNorm alone, in evaluation mode', trains: isNorm, statistics: none },
  {
    name: 'biases of BatchNorm alone, in evaluation mode',
    trains: (p) => isNorm(p) && p.endsWith('bias'),
    statistics: none,
  },
  { name: 'convolutions alone, statistics of the batch', trains: (p) => p.includes('conv'), statistics: all },
  { name: 'shortcuts alone', trains: (p) => /downsample\.0/.test(p), statistics: (m) => /downsample/.test(m) },
  { name: 'the stem alone, in evaluation mode', trains: (p) => /^(conv1|bn1)\./.test(p), statistics: none },
  {
    name: 'frozen convolutions under statistics of the batch',
    trains: (p) => p.startsWith('fc'),
    statistics: (m) => m.startsWith('layer3'),
  },
  { name: 'the head', trains: (p) => p.startsWith('fc'), statistics: none },
  { name: 'the last layer of the head', trains: (p) => p.startsWith('fc.3'), statistics: none },
  { name: 'the first layer of the head', trains: (p) => p === 'fc.0.weight', statistics: none },
];

for (const given of CASES) {
  test(`the written-out backward equals autograd in float64: ${given.name}`, () => equalsAutograd(given, 'resnet50'));
}

test('frozen units in the suffix follow values that are written to them', async () => {
  const model = new (native().Model)({
    arch: 'resnet50',
    classes: 5,
    hidden: [16],
    dropout: 0,
    dtype: 'float64',
    device: 'cpu',
    seed: 3,
  });
  await randomiseNorms(model);
  const session = new (native().Session)(model, {
    groups: [{ name: 'all', parameters: ['layer4.0.conv1.weight'], weightDecay: 0 }],
    optimizer: ADAM,
    batchNormTraining: [],
    compute: 'dtype',
    seed: 0,
  });
  const before = await session.gradients(IMAGES, SHAPE, LABELS);
  await model.write('layer4.2.bn3.bias', new Float64Array(2048).fill(0.3));
  const after = await session.gradients(IMAGES, SHAPE, LABELS);
  assert.notEqual(after.loss, before.loss);
  const logits = await model.forward(IMAGES, SHAPE, { output: 'logits', compute: 'dtype', eager: true });
  const loss = LABELS.reduce((sum, label, row) => {
    const own = Array.from(logits.subarray(row * 5, row * 5 + 5));
    const whole = own.reduce((total, value) => total + Math.exp(value), 0);
    return sum + (Math.log(whole) - (own[label] ?? 0)) / LABELS.length;
  }, 0);
  assert.ok(Math.abs(after.loss - loss) < 1e-12 * loss);
  session.dispose();
  model.dispose();
});

test('dropout falls where autograd lets it fall', async () => {
  const given = CASES[0] ?? assert.fail();
  const expected = await outcome(given, { autograd: true, dropout: 0.4 });
  const found = await outcome(given, { autograd: false, dropout: 0.4 });
  for (const [name, value] of Object.entries(found.gradients)) {
    const off = distance(value, expected.gradients[name] ?? assert.fail(name));
    assert.ok(off < 1e-9, `${name}: ${off}`);
  }
});

/** The largest ‖found − exact‖ of an output channel's gradient, beside the root mean square of the exact channels' norms. */
function worstChannel(found: Float64Array, exact: Float64Array, channels: number): number {
  const each = exact.length / channels;
  const size = Math.sqrt(exact.reduce((sum, value) => sum + value * value, 0)) / Math.sqrt(channels);
  let worst = 0;
  for (let channel = 0; channel < channels; channel++) {
    let apart = 0;
    for (let i = channel * each; i < (channel + 1) * each; i++) apart += ((found[i] ?? 0) - (exact[i] ?? 0)) ** 2;
    worst = Math.max(worst, Math.sqrt(apart) / size);
  }
  return worst;
}

test('in bfloat16 the written-out backward is as near to float64 as autograd is, parameter by parameter and channel by channel', async () => {
  for (const given of CASES.slice(0, 4)) {
    const exact = await outcome(given, { autograd: false });
    const found = async (autograd: boolean) => (await outcome(given, { autograd, bf16: true })).gradients;
    const [written, autograd] = [await found(false), await found(true)];
    for (const [name, value] of Object.entries(exact.gradients)) {
      const channels = exact.channels[name] ?? assert.fail(name);
      const of = (gradients: typeof written) => {
        const gradient = gradients[name] ?? assert.fail(name);
        return [distance(gradient, value), worstChannel(gradient, value, channels)] as const;
      };
      const [own, theirs] = [of(written), of(autograd)];
      // A channel alone is noisier than a parameter.
      for (const [i, what, most] of [
        [0, 'whole', 1.5],
        [1, 'worst channel', 2.5],
      ] as const) {
        const [mine, reference] = [own[i], theirs[i]];
        assert.ok(mine < most * reference + 0.05, `${given.name}: ${name}, ${what}: ${mine}, autograd ${reference}`);
      }
    }
  }
});
