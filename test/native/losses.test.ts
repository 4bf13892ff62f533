import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Floats } from '../../src/native/contract/model.js';
import type { NativeLoss } from '../../src/native/contract/session.js';
import { distance, uniform } from './support/numbers.js';
import { fill, newModel, newSession } from './support/sessions.js';

const BIAS = Float64Array.of(0.5, -1, 2, 0.25);
const LABELS = Int32Array.of(0, 2, 3, 2);
const SHAPE = [4, 3, 32, 32] as const;
const IMAGES = Float64Array.from(uniform(4 * 3 * 32 * 32, 1));
const WEIGHTS = Float64Array.of(0.5, 2, 1, 4);

/** What PyTorch answers of four images whose logits are all BIAS: the loss, and its gradient by BIAS. In float64. */
const cases: readonly { name: string; loss: NativeLoss; value: number; gradient: readonly number[] }[] = [
  {
    name: 'cross-entropy with smoothed labels',
    loss: { name: 'cross-entropy', labelSmoothing: 0.1 },
    value: 1.2567789984482536,
    gradient: [-0.09576517471583781, 0.009414441266120205, 0.21623253074153076, -0.12988179729181318],
  },
  {
    name: 'cross-entropy with weights, a mean by weight',
    loss: { name: 'cross-entropy', classWeights: WEIGHTS },
    value: 1.5615866907559455,
    gradient: [0.07731174836108529, 0.034414441266120206, 0.38354022304922314, -0.49526641267642857],
  },
  {
    name: 'cross-entropy with both',
    loss: { name: 'cross-entropy', classWeights: WEIGHTS, labelSmoothing: 0.2 },
    value: 1.7575645060928151,
    gradient: [0.08205743529290567, -0.026065114387229943, 0.4355781470720395, -0.4915704679777151],
  },
  {
    name: 'focal',
    loss: { name: 'focal', gamma: 2 },
    value: 0.762067810241941,
    gradient: [-0.1877306391739858, 0.025218046320311882, 0.380034064809374, -0.21752147195569999],
  },
  {
    name: 'focal with weights, a mean over images',
    loss: { name: 'focal', gamma: 0.5, classWeights: WEIGHTS },
    value: 2.305411204224583,
    gradient: [0.11237027619848103, 0.05509543892830697, 0.7139446282372742, -0.8814103433640621],
  },
];

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [a = Number.NaN, b = Number.NaN] = [actual[i], expected[i]];
    assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `value ${i} is ${a} and not ${b}`);
  }
}

/** The loss and the gradient of the head's bias, of a network whose logits are its head's bias. */
async function ofBias(bias: Float64Array, labels: Int32Array, loss: NativeLoss | undefined, autograd: boolean) {
  const model = newModel({ classes: bias.length, dtype: 'float64' });
  await fill(model, 'fc.weight', 0);
  await model.write('fc.bias', bias);
  const session = newSession(model, ['fc.bias'], { autograd, ...(loss === undefined ? {} : { loss }) });
  const found = await session.gradients(IMAGES, SHAPE, labels);
  session.dispose();
  model.dispose();
  return { loss: found.loss, gradient: found.gradients['fc.bias'] ?? assert.fail() };
}

describe('a loss and its gradient', () => {
  for (const { name, loss, value, gradient } of cases) {
    for (const autograd of [false, true]) {
      it(`are PyTorch's: ${name}${autograd ? ', by autograd' : ''}`, async () => {
        const found = await ofBias(BIAS, LABELS, loss, autograd);
        assertClose([found.loss], [value], 1e-12);
        assertClose(found.gradient, gradient, 1e-12);
      });
    }
  }

  it('are those of cross-entropy where nothing else is said, or where a focal loss has no focus', async () => {
    const [plain, named, unfocused, even] = await Promise.all([
      ofBias(BIAS, LABELS, undefined, false),
      ofBias(BIAS, LABELS, { name: 'cross-entropy', labelSmoothing: 0 }, false),
      ofBias(BIAS, LABELS, { name: 'focal', gamma: 0 }, false),
      ofBias(BIAS, LABELS, { name: 'cross-entropy', classWeights: Float64Array.of(3, 3, 3, 3) }, false),
    ]);
    assert.deepEqual(named, plain);
    for (const other of [unfocused, even]) {
      assertClose([other.loss], [plain.loss], 1e-14);
      assertClose(other.gradient, plain.gradient, 1e-14);
    }
  });

  it('are finite where a focal loss has nothing to learn from an image, whatever gamma', async () => {
    for (const gamma of [0, 0.5, 2]) {
      const found = await ofBias(Float64Array.of(900, 0, 0), new Int32Array(4), { name: 'focal', gamma }, false);
      assert.deepEqual([found.loss, ...found.gradient].map(Math.abs), [0, 0, 0, 0], `gamma ${gamma}`);
      const wrong = await ofBias(
        Float64Array.of(900, 0, 0),
        Int32Array.of(1, 1, 1, 1),
        { name: 'focal', gamma },
        false,
      );
      assertClose([wrong.loss], [900], 1e-12);
      assertClose(wrong.gradient, [1, -1, 0], 1e-12);
    }
  });
});

describe('a session refuses a loss', () => {
  const refused: readonly [NativeLoss, RegExp][] = [
    [{ name: 'hinge' }, /loss\.name must be one of 'cross-entropy', 'focal', not 'hinge'/],
    [{ name: 'cross-entropy', labelSmoothing: 1.5 }, /labelSmoothing must be from 0 to 1/],
    [{ name: 'focal', gamma: -1 }, /gamma must be 0 or more/],
    [{ name: 'focal', classWeights: Float64Array.of(1) }, /1 weights, and the model 2 classes/],
    [{ name: 'focal', classWeights: Float64Array.of(1, 0) }, /classWeights must be above 0/],
  ];
  for (const [loss, message] of refused) {
    it(String(message), () => {
      const model = newModel();
      assert.throws(() => newSession(model, ['fc.bias'], { loss }), { code: 'ERR_INVALID_ARGUMENT', message });
      // It is not held by a session that there is none of.
      newSession(model, ['fc.bias']).dispose();
      model.dispose();
    });
  }
});

describe('gradients that are clipped', () => {
  /** How far the bias moves by a step at rate 1, after one at so much of it. */
  async function movedBy(clipNorm: number | undefined, own: Float64Array | null): Promise<Float64Array> {
    const model = newModel({ classes: 4, dtype: 'float64' });
    await fill(model, 'fc.weight', 0);
    await model.write('fc.bias', BIAS);
    const session = newSession(model, ['fc.bias'], clipNorm === undefined ? {} : { clipNorm });
    if (own === null) await session.step(IMAGES, SHAPE, LABELS, Float64Array.of(1));
    else await session.apply({ 'fc.bias': own }, Float64Array.of(1));
    const moved = Float64Array.from(await model.read('fc.bias'), (value, i) => (BIAS[i] ?? 0) - value);
    session.dispose();
    model.dispose();
    return moved;
  }

  it('have the norm that is asked for, and their direction', async () => {
    const whole = await movedBy(undefined, null);
    const norm = Math.hypot(...whole);
    for (const share of [0.25, 0.9]) {
      const clipped = await movedBy(share * norm, null);
      // PyTorch adds 1e-6 to the norm.
      const factor = (share * norm) / (norm + 1e-6);
      assertClose(
        clipped,
        whole.map((value) => factor * value),
        1e-14,
      );
    }
    assert.deepEqual(await movedBy(1.1 * norm, null), whole);
  });

  it('are scaled once, where parameters share one', async () => {
    const model = newModel({ dtype: 'float64' });
    const names = ['layer4.0.bn3.bias', 'layer4.0.downsample.1.bias', 'layer4.0.bn3.weight'];
    const options = { batchNormTraining: ['layer4.0.bn3', 'layer4.0.downsample.1'] };
    const labels = Int32Array.of(0, 1, 0, 1);
    const asking = newSession(model, names, options);
    const { gradients } = await asking.gradients(IMAGES, SHAPE, labels);
    asking.dispose();
    const norm = Math.hypot(...Object.values(gradients).flatMap((values) => [...values]));
    const before = new Map<string, Floats>();
    for (const name of names) before.set(name, await model.read(name));
    const session = newSession(model, names, { ...options, clipNorm: norm / 3 });
    await session.step(IMAGES, SHAPE, labels, Float64Array.of(1));
    for (const name of names) {
      const now = await model.read(name);
      const moved = Float64Array.from(now, (value, i) => (before.get(name)?.[i] ?? Number.NaN) - value);
      const expected = Float64Array.from(gradients[name] ?? [], (value) => value / 3);
      assert.ok(distance(moved, expected) < 1e-5, name);
    }
    session.dispose();
    model.dispose();
  });

  it("are the caller's own too", async () => {
    const own = Float64Array.of(3, 0, -4, 0);
    assertClose(await movedBy(1, own), [0.6, 0, -0.8, 0], 1e-6);
    assertClose(await movedBy(6, own), own, 1e-15);
  });
});
