import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ResNet50 } from '../../src/model/resnet50.js';
import type { TrainingRun } from '../../src/training/run.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyModel, tinyOptions } from '../training/support/tiny.js';

const images = Float32Array.from({ length: 8 * 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));

/** Asks for forward passes so that some are always waiting, until `work` settles. */
async function underPredictions<T>(model: ResNet50, work: () => Promise<T>): Promise<{ made: number; answer: T }> {
  let made = 0;
  let over = false;
  const ask = async (): Promise<void> => {
    for (; !over; made++) await model.forward(images, [8, 3, 64, 64]);
  };
  const asking = Array.from({ length: 4 }, ask);
  try {
    return { answer: await work(), made };
  } finally {
    over = true;
    await Promise.all(asking);
  }
}

describe('the executor of a device', () => {
  it('gives runs of one process their turns, so that all get on alike', async (t) => {
    const data = await tinyData(t);
    const progress = [0, 0, 0];
    const least: number[] = [];
    let ready = 0;
    const runs: TrainingRun[] = [];
    const follow = async (run: TrainingRun, index: number): Promise<void> => {
      for await (const event of run) {
        // None has a lead: they go when all are ready to.
        if (event.type === 'start' && ++ready === runs.length) for (const each of runs) each.resume();
        if (event.type !== 'step') continue;
        progress[index] = event.step / event.steps;
        if (event.step === event.steps) least.push(Math.min(...progress));
      }
    };
    const models = await Promise.all(progress.map(() => tinyModel()));
    for (const model of models) {
      const run = train(model, data, { ...tinyOptions, freeze: 'backbone', cache: 'off', epochs: 4 });
      run.pause();
      runs.push(run);
    }
    await Promise.all(runs.map(follow));
    for (const model of models) model.dispose();
    assert.ok((least[0] ?? 0) >= 0.5, `the slowest run had made ${least[0]} of its steps when the first was done`);
  });

  it('lets predictions go first, but trains, saves and loads all the same when they never cease', async (t) => {
    const data = await tinyData(t);
    using busy = await tinyModel();
    using model = await tinyModel();
    const path = join(await temporaryDirectory(t), 'model.safetensors');
    const { made, answer } = await underPredictions(busy, async () => {
      const { steps } = await train(model, data, { ...tinyOptions, freeze: 'backbone', epochs: 1 }).result;
      await model.save(path);
      using loaded = await ResNet50.load(path, { device: 'cpu' });
      return { steps, classes: loaded.classes.length };
    });
    assert.deepEqual(answer, { steps: 3, classes: 3 });
    t.diagnostic(`${made} predictions meanwhile`);
    assert.ok(made > 10);
  });
});
