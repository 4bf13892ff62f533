import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { native } from '../../src/native/load.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { relativeError } from './compare.js';
import { Comparison, loadedModel, reference, skip } from './harness.js';
import { digest, digestError, imageValues, labelValues } from './recipe.js';
import { readTensors } from './safetensors.js';

type Shape = readonly [number, number, number, number];

const CLASSES = 10;
const INPUTS: Readonly<Record<string, { readonly shape: Shape; readonly stream: number }>> = {
  '1 of 224x224': { shape: [1, 3, 224, 224], stream: 0 },
  '3 of 64x64': { shape: [3, 3, 64, 64], stream: 1 },
  '2 of 33x97': { shape: [2, 3, 97, 33], stream: 2 },
};
// 36 pixels end as 2×2 in the last stage, by way of 9, 5 and 3.
const TRAINING = { shape: [4, 3, 36, 36], stream: 3, lr: 1e-3, steps: 2 } as const;

const { states } = JSON.parse(readFileSync(join(projectRoot, 'test', 'fixtures', 'golden', 'family.json'), 'utf8')) as {
  readonly states: Readonly<Record<string, unknown>>;
};

describe('family', { skip }, () => {
  for (const arch of Object.keys(states)) {
    it(`a ${arch} equals torchvision's`, async (t) => {
      const folder = await temporaryDirectory(t);
      await reference('family', folder, { arch, classes: CLASSES, inputs: INPUTS, training: TRAINING });
      const answers = readTensors(join(folder, 'answers.safetensors'));
      const weights = join(folder, 'weights.safetensors');
      const head = { arch, classes: CLASSES, hidden: [] };

      const forward = new Comparison(`${arch}: logits and features, float32`, 1e-5);
      const single = await loadedModel(head, 'float32', weights);
      for (const [name, { shape, stream }] of Object.entries(INPUTS)) {
        const images = Float32Array.from(imageValues(shape, stream));
        for (const output of ['logits', 'features'] as const) {
          const actual = await single.forward(images, shape, { output, compute: 'dtype' });
          forward.add(`${output}, ${name}`, relativeError(actual, answers.floats(`${name}/${output}`)));
        }
      }
      single.dispose();

      const gradients = new Comparison(`${arch}: gradients of a step, float64`, 1e-8);
      const trajectory = new Comparison(`${arch}: weights and statistics after two steps, float64`, 1e-8);
      const model = await loadedModel(head, 'float64', weights);
      const tensors = model.tensors();
      const parameters = tensors.filter(({ kind }) => kind === 'parameter').map(({ name }) => name);
      const norms = tensors.flatMap(({ name }) => /^(.*)\.running_mean$/.exec(name)?.[1] ?? []);
      const session = new (native().Session)(model, {
        groups: [{ name: 'all', parameters, weightDecay: 0 }],
        optimizer: { kind: 'sgd', momentum: 0.9, dampening: 0, nesterov: false },
        batchNormTraining: norms,
        compute: 'dtype',
        seed: 0,
      });
      const { shape, stream } = TRAINING;
      const [images, labels] = [imageValues(shape, stream), labelValues(shape[0], CLASSES, stream)];
      const found = await session.gradients(images, shape, labels);
      const rows = (name: string, row: number) => answers.floats(name).subarray(9 * row, 9 * row + 9);
      assert.equal(answers.floats('gradients').length, 9 * parameters.length);
      for (const [row, name] of parameters.entries())
        gradients.add(name, digestError(digest(found.gradients[name] ?? []), rows('gradients', row)));
      // Asking for gradients moved the running statistics.
      const start = readTensors(weights);
      const buffers = new Set(tensors.filter(({ kind }) => kind === 'buffer').map(({ name }) => name));
      await model.load(
        start.path,
        start.table.filter(({ name }) => buffers.has(name)),
      );
      for (let step = 0; step < TRAINING.steps; step++)
        await session.step(images, shape, labels, Float64Array.of(TRAINING.lr));
      session.dispose();
      for (const [row, { name }] of tensors.entries())
        trajectory.add(name, digestError(digest(await model.read(name)), rows('state', row)));
      model.dispose();
      for (const comparison of [forward, gradients, trajectory]) comparison.settle();
    });
  }
});
