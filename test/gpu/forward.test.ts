import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import type { Shape4D } from '../../src/model/network.js';
import { cases, golden } from '../model/support/golden.js';
import { relativeError } from '../parity/compare.js';
import { imageValues } from '../parity/recipe.js';
import { tinyClasses, tinyFolder } from '../training/support/tiny.js';
import { capability, deviceUnderTest, noDeviceUnderTest } from './support/device.js';
import { recipeCheckpoint } from './support/models.js';

/**
 * Of PyTorch's figures in float32. Before sm_90 cuDNN's first choice for 3×3 convolutions, without TF32, is Winograd's, whose
 * sums are rounded more often.
 */
const bounds = { fp32: 1e-5, bf16: 3e-2, fp16: 5e-3 } as const;
const winograd = 3e-5;
type Precision = keyof typeof bounds;
const boundOf = (precision: Precision): number =>
  precision === 'fp32' && (capability()?.[0] ?? 9) < 9 ? winograd : bounds[precision];
const precisions = (Object.keys(bounds) as Precision[]).filter((name) => name !== 'fp16' || deviceUnderTest !== 'cpu');

describe('forward on a device', { skip: noDeviceUnderTest }, () => {
  const checkpoint = recipeCheckpoint(cases.classes, cases.hidden.float32);

  for (const precision of precisions) {
    it(`${precision}: logits and features are PyTorch's`, async (t) => {
      using model = await checkpoint.on(deviceUnderTest);
      const bound = boundOf(precision);
      let worst = 0;
      for (const { name, shape, stream } of cases.forward.filter(({ dtype }) => dtype === 'float32')) {
        const images = Float32Array.from(imageValues(shape, stream));
        for (const output of ['forward', 'features'] as const) {
          const { data } = await model[output](images, shape as Shape4D, { precision });
          const expected = golden('forward').floats(`${name}/float32/${output === 'forward' ? 'logits' : output}`);
          const error = relativeError(data, expected);
          worst = Math.max(worst, error);
          assert.ok(error <= bound, `${output} of ${name}: relative error ${error}; ${bound} is allowed`);
        }
      }
      t.diagnostic(`relative error ${worst.toExponential(1)} at most; ${bound} is allowed`);
    });
  }
});

describe('prediction on a device', { skip: noDeviceUnderTest }, () => {
  const checkpoint = recipeCheckpoint(tinyClasses, []);
  const sizes = { imageSize: 64, resize: 72, precision: 'fp32' } as const;

  async function photographs(t: TestContext) {
    const data = await openDataset(await tinyFolder(t));
    t.after(() => data.dispose());
    return { data, files: data.splits.val.files.map(({ path }) => path) };
  }

  it("has the CPU's probabilities, several images and one at a time", async (t) => {
    const { files } = await photographs(t);
    using device = await Predictor.load(checkpoint.path, { ...sizes, device: deviceUnderTest });
    using cpu = await Predictor.load(checkpoint.path, { ...sizes, device: 'cpu' });
    const expected = await cpu.predict(files, { topK: 3 });
    for (const got of [await device.predict(files, { topK: 3 }), await oneByOne(device, files)]) {
      for (const [i, { predictions }] of got.entries()) {
        for (const { label, probability } of predictions) {
          const other = expected[i]?.predictions.find((prediction) => prediction.label === label);
          const difference = Math.abs(probability - (other?.probability ?? Number.NaN));
          assert.ok(difference <= 1e-4, `${files[i]}, ${label}: the probabilities differ by ${difference}`);
        }
      }
    }
  });

  it("comes to the CPU's accuracy and loss over a data set", async (t) => {
    const { data } = await photographs(t);
    using device = await checkpoint.on(deviceUnderTest);
    using cpu = await checkpoint.on('cpu');
    const named = { ...sizes, split: 'val' } as const;
    const [got, expected] = [await evaluate(device, data, named), await evaluate(cpu, data, named)];
    assert.deepEqual([got.images, got.top1], [expected.images, expected.top1]);
    assert.ok(Math.abs(got.loss - expected.loss) <= 1e-4 * expected.loss, `losses ${got.loss} and ${expected.loss}`);
  });
});

async function oneByOne(predictor: Predictor, files: readonly string[]) {
  const answers = [];
  for (const file of files) answers.push(await predictor.predict(file, { topK: 3 }));
  return answers;
}
