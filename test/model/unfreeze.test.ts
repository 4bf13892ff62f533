import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResNet50 } from '../../src/model/resnet50.js';
import { native } from '../../src/native/load.js';
import { freezeNotes } from '../../src/training/run-notes.js';
import { resolveSettings } from '../../src/training/settings.js';

function random(): Promise<ResNet50> {
  native().setThreads(1);
  return ResNet50.create({ classes: 3, weights: 'none', device: 'cpu' });
}

describe('a model that was frozen', () => {
  it('is trained by its own rule and BatchNorm policy in place of a strategy', async () => {
    using model = await random();
    model.freeze({ until: 'layer2' }, { batchNorm: 'eval' });
    for (const strategy of ['full', 'feature-extraction', 'partial'] as const) {
      const settings = resolveSettings(model, { strategy });
      assert.deepEqual([settings.freeze, settings.batchNorm], [{ until: 'layer2' }, 'eval']);
      assert.equal(settings.frozenPrefixUnits, 8);
      assert.deepEqual(settings.batchNormTraining, []);
    }
    const asked = resolveSettings(model, { strategy: 'full', freeze: 'backbone', batchNorm: 'follow' });
    assert.deepEqual([asked.freeze, asked.batchNorm], ['backbone', 'follow']);
  });

  it("says in the run which rule is used, where it is not the strategy's", async () => {
    using model = await random();
    const noteOf = (options: Parameters<typeof resolveSettings>[1]): string =>
      freezeNotes(model, resolveSettings(model, options))
        .map(({ code, message }) => `${code}: ${message}`)
        .join();
    assert.equal(noteOf({ strategy: 'full' }), '');
    model.freeze({ until: 'layer2' });
    assert.match(noteOf({ strategy: 'full' }), /^model-frozen-before: .*layer2.*in place of that of the strategy full/);
    assert.match(noteOf({ strategy: 'full', freeze: 'backbone' }), /layer2.*the run's own rule \(backbone\)/);
    model.freeze('backbone');
    assert.equal(noteOf({ strategy: 'feature-extraction' }), '');
    model.unfreeze();
    assert.equal(noteOf({ strategy: 'full' }), '');
  });

  it('is as before once it is unfrozen, with the policy of BatchNorm', async () => {
    using model = await random();
    const before = resolveSettings(model, { strategy: 'partial' });
    model.freeze('backbone', { batchNorm: 'train' });
    assert.notDeepEqual(resolveSettings(model, { strategy: 'partial' }), before);
    assert.equal(model.unfreeze(), model);
    assert.equal(model.frozen, null);
    assert.deepEqual(resolveSettings(model, { strategy: 'partial' }), before);
    assert.equal(model.unfreeze().frozen, null);
  });

  it("trains whole after freeze('none'), whatever the strategy freezes", async () => {
    using model = await random();
    model.freeze('backbone', { batchNorm: 'eval' }).freeze('none');
    const settings = resolveSettings(model, { strategy: 'partial' });
    assert.deepEqual([settings.freeze, settings.batchNorm, settings.frozenPrefixUnits], ['none', 'follow', 0]);
    assert.equal(settings.batchNormTraining.length, 53);
    const trained = settings.groups.flatMap(({ parameters }) => parameters);
    assert.equal(trained.length, model.units().flatMap(({ parameters }) => parameters).length);
  });
});
