import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { exportModel } from '../../src/export/export.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { describeRun } from '../../src/training/run-config.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyFolder, tinyModel, tinyOptions } from '../training/support/tiny.js';

/**
 * Turns that the event loop takes while a call is under way. One that works on the JavaScript thread leaves it two or three,
 * however fast the machine is; one that works elsewhere leaves it hundreds.
 */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const take = (): void => {
    if (isOver) return;
    turns++;
    setImmediate(take);
  };
  setImmediate(take);
  try {
    await work();
  } finally {
    isOver = true;
  }
  return turns;
}

const ENOUGH = 20;

describe('the event loop goes on while', () => {
  const images = Float32Array.from({ length: 4 * 3 * 96 * 96 }, (_, i) => Math.sin(i * 0.37));
  const shape = [4, 3, 96, 96] as const;

  /** Works with a model, a data set and a folder. */
  const calls: Readonly<Record<string, (o: { model: ResNet50; data: Dataset; folder: string }) => Promise<unknown>>> = {
    'a batch is predicted': ({ model }) => model.forward(images, shape),
    'features are computed': ({ model }) => model.features(images, shape),
    'a model is written': ({ model, folder }) => model.save(join(folder, 'model.safetensors')),
    'a model is read': async ({ folder }) => (await ResNet50.load(join(folder, 'model.safetensors'))).dispose(),
    'images are predicted': async ({ data, folder }) => {
      using predictor = await Predictor.load(join(folder, 'model.safetensors'), { device: 'cpu' });
      await predictor.predict(data.split('train').files.map(({ path }) => path));
    },
    'a model is evaluated': ({ model, data }) => evaluate(model, data, { imageSize: 64 }),
    'a run trains': ({ model, data, folder }) =>
      train(model, data, { ...tinyOptions, out: join(folder, 'run') }).result,
    'ONNX is written': ({ folder }) =>
      exportModel(join(folder, 'model.safetensors'), { format: 'onnx', out: join(folder, 'model.onnx') }),
    'a state dict is written': ({ folder }) =>
      exportModel(join(folder, 'model.safetensors'), { format: 'torchvision', out: join(folder, 'model.pth') }),
  };
  let o: { model: ResNet50; data: Dataset; folder: string };
  const cleanUps: (() => unknown)[] = [];
  before(async () => {
    const suite = { after: (cleanUp: () => unknown) => void cleanUps.push(cleanUp) } as TestContext;
    o = { model: await tinyModel(), data: await tinyData(suite), folder: await temporaryDirectory(suite) };
    // Libraries are loaded by the first call.
    await o.model.forward(images, shape);
  });
  after(async () => {
    for (const cleanUp of cleanUps) await cleanUp();
    o.model.dispose();
  });
  for (const [what, work] of Object.entries(calls)) {
    it(what, async (t) => {
      const turns = await turnsDuring(() => work(o));
      t.diagnostic(`${turns} turns`);
      assert.ok(turns >= ENOUGH, `${turns} turns`);
    });
  }

  it('a folder is opened', async (t) => {
    const folder = await tinyFolder(t, { train: 30, val: 10 });
    const turns = await turnsDuring(async () => (await openDataset(folder)).dispose());
    t.diagnostic(`${turns} turns`);
    assert.ok(turns >= ENOUGH, `${turns} turns`);
  });

  it('a run takes down which of 100,000 images it has, a few thousand a turn', async () => {
    const files = Array.from({ length: 100_000 }, (_, index) => ({ path: `/data/${index}.jpg`, label: 0 }));
    const data = { path: '/data', split: () => ({ files }), skipped: { corrupt: [] } } as unknown as Dataset;
    const turns = await turnsDuring(() => describeRun({ freeze: 'none' } as never, o.model, [], data, []));
    assert.ok(turns >= 40, `${turns} turns`);
  });
});
