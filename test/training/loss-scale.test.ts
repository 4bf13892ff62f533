import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groups } from '../../src/optim/groups.js';
import { optimizers } from '../../src/optim/optimizers.js';
import { lossScaleOf, nativeLossScale } from '../../src/training/loss-scale.js';
import { TrainingSession } from '../../src/training/session.js';
import { resolveConditions, resolveSettings } from '../../src/training/settings.js';
import { tinyModel } from './support/tiny.js';

const invalid = (message: RegExp) => ({ code: 'ERR_INVALID_ARGUMENT', message });

describe('the loss scale', () => {
  it('follows the gradients in fp16, stays a number where one is given, and is none elsewhere', () => {
    assert.equal(lossScaleOf(undefined, 'fp16'), 'dynamic');
    assert.equal(lossScaleOf('dynamic', 'fp16'), 'dynamic');
    assert.equal(lossScaleOf(128, 'fp16'), 128);
    assert.equal(lossScaleOf(0.5, 'fp16'), 0.5);
    for (const precision of ['fp32', 'bf16', 'fp64'] as const) assert.equal(lossScaleOf(undefined, precision), null);
  });

  it('is given to native code where it is fixed', () => {
    assert.deepEqual(
      [nativeLossScale(128), nativeLossScale('dynamic'), nativeLossScale(null)],
      [{ lossScale: 128 }, {}, {}],
    );
  });

  it('is refused without fp16, out of range, and in other words', () => {
    for (const scale of [128, 'dynamic'] as const)
      assert.throws(
        () => lossScaleOf(scale, 'bf16'),
        invalid(/--loss-scale.*'fp16', and this is 'bf16'.*--precision fp16/),
      );
    for (const scale of [0, -1, Number.NaN, 2 ** 25, null])
      assert.throws(() => lossScaleOf(scale, 'fp16'), invalid(/^lossScale must be a finite number, /));
    assert.throws(() => lossScaleOf('fixed', 'fp16'), invalid(/'dynamic', not "fixed"/));
    assert.throws(() => lossScaleOf('128', 'fp16'), invalid(/'dynamic', not "128"/));
  });

  it('is a setting of a run, and an option of a session', async () => {
    using model = await tinyModel();
    assert.equal(resolveSettings(model, { precision: 'fp32' }).lossScale, null);
    const asked = { precision: 'fp32', lossScale: 128 } as const;
    assert.throws(() => resolveSettings(model, asked), invalid(/this is 'fp32'/));
    const options = { ...asked, groups: groups.uniform(model.units(), { lr: 1e-3 }), optimizer: optimizers.adam() };
    assert.throws(() => new TrainingSession(model, options), invalid(/this is 'fp32'/));
    const resumed = { resume: true, out: 'a', lossScale: 'dynamic' } as const;
    assert.throws(() => resolveConditions(resumed), invalid(/Leave lossScale out/));
  });
});
