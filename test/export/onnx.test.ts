import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { exportModel, type OnnxOptions } from '../../src/export/export.js';
import type { ResNet } from '../../src/model/network.js';
import { distance } from '../native/support/numbers.js';
import { temporaryDirectory } from '../support/paths.js';
import { busyModel, drawnImages } from './support/models.js';

type Shape = readonly [n: number, c: 3, height: number, width: number];

const shapes: readonly Shape[] = [
  [1, 3, 32, 32],
  [3, 3, 64, 48],
];
const TOLERANCE = 1e-4;

async function openSession(path: string): Promise<InferenceSession> {
  return InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
}

async function runOnnx(session: InferenceSession, images: Float32Array, shape: Shape): Promise<Float32Array> {
  const name = session.outputNames[0] as string;
  const { data, dims } = (await session.run({ images: new Tensor('float32', images, shape) }))[name] as Tensor;
  assert.deepEqual(dims, [shape[0], 3]);
  return data as Float32Array;
}

function softmax(logits: ArrayLike<number>, columns: number): Float32Array {
  const values = Array.from(logits, Math.exp);
  const sums = values.map((_, i) => {
    const row = i - (i % columns);
    return values.slice(row, row + columns).reduce((sum, value) => sum + value, 0);
  });
  return Float32Array.from(values, (value, i) => value / (sums[i] as number));
}

/** The worst relative L2 and absolute difference between ONNX Runtime and the model itself, in float32. */
async function compare(model: ResNet, session: InferenceSession, options: OnnxOptions): Promise<void> {
  for (const shape of shapes) {
    const images = drawnImages(shape);
    const logits = (await model.forward(images, shape)).data;
    const expected = options.softmax === true ? softmax(logits, model.classes.length) : Float32Array.from(logits);
    const actual = await runOnnx(session, images, shape);
    const largest = Math.max(...expected.map(Math.abs));
    const apart = Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? Number.NaN))));
    assert.ok(largest > 0.05, 'the numbers are not all near 0');
    assert.ok(distance(actual, expected) < TOLERANCE, `${shape}: ${distance(actual, expected)} in L2`);
    assert.ok(apart < TOLERANCE, `${shape}: ${apart} at most, of ${largest}`);
  }
}

describe('export to ONNX, run by ONNX Runtime', () => {
  const cases: readonly (readonly [string, readonly number[], OnnxOptions])[] = [
    ['a linear head, folded', [], {}],
    ['a linear head, BatchNorm as nodes', [], { fold: false }],
    ['hidden layers, folded, probabilities', [24, 16], { softmax: true }],
    [
      'a hidden layer, BatchNorm as nodes, probabilities, the oldest opset',
      [24],
      { fold: false, softmax: true, opset: 13 },
    ],
    ['the newest opset', [], { opset: 21 }],
  ];
  for (const [what, hidden, options] of cases) {
    it(`computes what the model computes: ${what}`, async (t) => {
      const model = await busyModel(t, hidden);
      const out = join(await temporaryDirectory(t), 'model.onnx');
      const result = await exportModel(model, { format: 'onnx', out, ...options });
      const output = options.softmax === true ? 'probabilities' : 'logits';
      assert.deepEqual(result, {
        format: 'onnx',
        path: out,
        bytes: (await stat(out)).size,
        notes: [],
        input: 'images',
        output,
        folded: options.fold ?? true,
        opset: options.opset ?? 17,
      });
      const session = await openSession(out);
      assert.deepEqual(session.inputNames, ['images']);
      assert.deepEqual(session.outputNames, [output]);
      await compare(model, session, options);
      await session.release();
    });
  }

  for (const arch of ['resnet18', 'resnext50_32x4d'] as const) {
    for (const fold of [true, false]) {
      it(`computes what a ${arch} computes${fold ? '' : ', BatchNorm as nodes'}`, async (t) => {
        const model = await busyModel(t, [], { arch });
        const out = join(await temporaryDirectory(t), 'model.onnx');
        await exportModel(model, { format: 'onnx', out, fold });
        const session = await openSession(out);
        await compare(model, session, {});
        await session.release();
      });
    }
  }

  it('takes a float64 model for what it is in float32', async (t) => {
    const model = await busyModel(t, [], { dtype: 'float64' });
    const out = join(await temporaryDirectory(t), 'model.onnx');
    await exportModel(model, { format: 'onnx', out });
    const session = await openSession(out);
    await compare(model, session, {});
    await session.release();
  });
});
