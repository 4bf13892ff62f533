import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exportModel, type OnnxOptions } from '../../src/export/export.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { randomiseNorms } from '../native/support/networks.js';
import { temporaryDirectory } from '../support/paths.js';
import { relativeError } from './compare.js';
import { Comparison, reference, skip } from './harness.js';
import { imageValues } from './recipe.js';
import { readTensors, writeTensors } from './safetensors.js';

const SHAPE = [2, 3, 64, 64] as const;
const heads: readonly (readonly number[])[] = [[], [24, 16]];

const FORMS: Readonly<Record<string, OnnxOptions>> = {
  'folded.onnx': {},
  'nodes.onnx': { fold: false, softmax: true },
  'oldest.onnx': { opset: 13 },
  'newest.onnx': { opset: 21, fold: false },
};

interface Checked {
  readonly operators: Readonly<Record<string, number>>;
  readonly output: string;
  readonly shape: readonly (number | string)[];
  readonly opset: number;
  readonly arch: string;
  readonly metadata: { readonly labels: readonly string[]; readonly preprocessing: Readonly<Record<string, unknown>> };
}

describe('exports', { skip }, () => {
  it('load into torchvision strictly, with the same logits, and pass the checker of ONNX', async (t) => {
    const logits = new Comparison(
      "Exported state dicts, by torch.load(weights_only=True), in torchvision's ResNet-50",
      1e-5,
    );
    for (const hidden of heads) {
      const folder = await temporaryDirectory(t);
      using model = await ResNet50.create({ classes: 5, weights: 'none', head: { hidden }, device: 'cpu', seed: 2 });
      await randomiseNorms(model.handle);
      await exportModel(model, { format: 'torchvision', out: join(folder, 'model.pth') });
      for (const [name, options] of Object.entries(FORMS)) {
        await exportModel(model, { format: 'onnx', out: join(folder, name), ...options });
      }
      writeTensors(join(folder, 'images.safetensors'), { images: { shape: SHAPE, values: imageValues(SHAPE, 0) } });
      const job = { classes: 5, hidden, onnx: Object.keys(FORMS) };
      const answer = (await reference('export', folder, job)) as Readonly<Record<string, Checked>>;
      const { data } = await model.forward(Float32Array.from(imageValues(SHAPE, 0)), SHAPE);
      const read = readTensors(join(folder, 'read.safetensors')).floats('logits');
      logits.add(`${hidden.length} hidden`, relativeError(data, read));
      for (const [name, { fold = true, softmax = false, opset = 17 }] of Object.entries(FORMS)) {
        const checked = answer[name] ?? assert.fail(name);
        assert.deepEqual(checked.operators, {
          Add: 16,
          ...(fold ? {} : { BatchNormalization: 53 }),
          Conv: 53,
          Flatten: 1,
          Gemm: 1 + hidden.length,
          GlobalAveragePool: 1,
          MaxPool: 1,
          Relu: 49 + hidden.length,
          ...(softmax ? { Softmax: 1 } : {}),
        });
        assert.equal(checked.output, softmax ? 'probabilities' : 'logits');
        assert.equal(checked.opset, opset);
        assert.deepEqual(checked.shape, ['batch', 3, 'height', 'width']);
        assert.equal(checked.arch, 'resnet50');
        assert.deepEqual(checked.metadata.labels, ['0', '1', '2', '3', '4']);
        assert.equal(checked.metadata.preprocessing.channelOrder, 'RGB');
      }
    }
    logits.settle();
  });
});
