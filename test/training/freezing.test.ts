import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ResNet50 } from '../../src/model/resnet50.js';
import type { ParameterGroup } from '../../src/optim/groups.js';
import { optimizers } from '../../src/optim/optimizers.js';
import { TrainingSession } from '../../src/training/session.js';
import { train } from '../../src/training/train.js';
import { differences, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

const shape = [4, 3, 32, 32] as const;
const images = Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37));
const labels = Int32Array.from([0, 1, 2, 1]);

/** Names of the parameters of some units. */
function parametersOf(model: ResNet50, ...units: string[]): string[] {
  return model.units().flatMap(({ name, parameters }) => (units.includes(name) ? parameters.map((p) => p.name) : []));
}

function group(name: string, parameters: readonly string[], lr: number, weightDecay = 0): ParameterGroup {
  return { name, parameters, lr, weightDecay };
}

describe('freezing', () => {
  it('leaves frozen parameters and statistics alone to the bit, with momentum and decay', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    // All train first, so that gradients and momentum exist that could leak.
    const options = { ...tinyOptions, epochs: 1, optimizer: 'sgd', weightDecay: 0.1, lr: 1e-3 } as const;
    await train(model, data, { ...options, freeze: 'none' }).result;
    const before = await weightsOf(model);
    await train(model, data, { ...options, freeze: { until: 'layer4.1' } }).result;
    const changed = differences(before, await weightsOf(model));
    assert.ok(changed.length > 0);
    assert.deepEqual(
      changed.filter((name) => !name.startsWith('layer4.2.') && !name.startsWith('fc.')),
      [],
    );
    assert.ok(changed.includes('layer4.2.bn1.running_mean') && changed.includes('layer4.2.conv1.weight'));
  });

  it('follows the BatchNorm policy', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const statistics = (names: string[]) => names.filter((name) => name.includes('running_'));
    const options = { ...tinyOptions, epochs: 1 } as const;
    const before = await weightsOf(model);
    await train(model, data, { ...options, batchNorm: 'eval' }).result;
    const evaluated = await weightsOf(model);
    assert.deepEqual(statistics(differences(before, evaluated)), []);
    await train(model, data, { ...options, freeze: 'backbone', batchNorm: 'train' }).result;
    const moved = differences(evaluated, await weightsOf(model));
    assert.equal(statistics(moved).length, 2 * 53);
    assert.deepEqual(
      moved.filter((name) => !/running_|num_batches_tracked|^fc\./.test(name)),
      [],
    );
  });

  it('of a model holds for trainings to come, unless they say otherwise', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    model.freeze('backbone');
    const options = { ...tinyOptions, freeze: undefined, epochs: 1 };
    const { freeze: _, ...unspecific } = options;
    const before = await weightsOf(model);
    await train(model, data, unspecific).result;
    assert.deepEqual(differences(before, await weightsOf(model)), ['fc.weight', 'fc.bias']);
    assert.throws(
      () =>
        new TrainingSession(model, {
          groups: [group('stem', parametersOf(model, 'stem'), 1e-3)],
          optimizer: 'sgd',
        }),
      { code: 'ERR_INVALID_ARGUMENT', message: /conv1\.weight.*model\.freeze/ },
    );
  });
});

describe('parameter groups', () => {
  it('move by their own rates, exactly: plain SGD', async () => {
    using model = await tinyModel({ dtype: 'float64' });
    const [slow, fast] = [parametersOf(model, 'layer4.2'), parametersOf(model, 'head')];
    using session = new TrainingSession(model, {
      groups: [group('slow', slow, 1e-3), group('fast', fast, 1e-1)],
      optimizer: optimizers.sgd({ momentum: 0 }),
      batchNorm: 'eval',
    });
    const before = await weightsOf(model);
    const { gradients } = await session.gradients(images, labels, { shape });
    await session.step(images, labels, { shape, rates: [1e-3, 1e-1] });
    const after = await weightsOf(model);
    for (const [names, rate] of [
      [slow, 1e-3],
      [fast, 1e-1],
    ] as const) {
      for (const name of names) {
        const [old, now, gradient] = [before.get(name), after.get(name), gradients[name]];
        assert.ok(old && now && gradient);
        now.forEach((value, i) => {
          assert.ok(Math.abs(value - ((old[i] ?? 0) - rate * (gradient[i] ?? 0))) < 1e-12, name);
        });
      }
    }
  });

  it('must be true groups: under Adam a scaled gradient moves a weight as far, a rate does not', async () => {
    using model = await tinyModel({ dtype: 'float64' });
    const names = ['fc.weight', 'fc.bias'];
    const start = await weightsOf(model);
    const moved = async (scale: number, rate: number): Promise<number> => {
      for (const name of names) await model.handle.write(name, start.get(name) ?? new Float64Array());
      using session = new TrainingSession(model, {
        groups: [group('head', names, rate)],
        optimizer: 'adam',
        batchNorm: 'eval',
      });
      for (let step = 0; step < 2; step++) {
        const { gradients } = await session.gradients(images, labels, { shape });
        const scaled = Object.fromEntries(
          Object.entries(gradients).map(([name, values]) => [name, values.map((value) => value * scale)]),
        );
        await session.apply(scaled, { rates: [rate] });
      }
      return (await session.drift()).head;
    };
    const whole = await moved(1, 1e-6);
    const scaled = await moved(0.01, 1e-6);
    const slow = await moved(1, 1e-8);
    assert.ok(Math.abs(scaled / whole - 1) < 0.02, `${scaled} beside ${whole}`);
    assert.ok(Math.abs(slow / whole - 0.01) < 0.001, `${slow} beside ${whole}`);
  });
});
