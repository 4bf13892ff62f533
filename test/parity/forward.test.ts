import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import type { Floats } from '../../src/native/contract/model.js';
import { sharedRoot, temporaryDirectory } from '../support/paths.js';
import { relativeError } from './compare.js';
import { Comparison, loadedModel, reference, skip } from './harness.js';
import { imageValues } from './recipe.js';
import { readTensors, writeTensors } from './safetensors.js';

type Shape = readonly [number, number, number, number];

const inputs: Readonly<Record<string, Shape>> = {
  '2 of 224x224': [2, 3, 224, 224],
  '3 of 64x64': [3, 3, 64, 64],
  '2 of 97x33': [2, 3, 33, 97],
  '1 of 32x32': [1, 3, 32, 32],
};

function heads(): readonly {
  name: string;
  classes: number;
  hidden: readonly number[];
  inputs: readonly string[];
  weights: string;
}[] {
  const made = [
    { name: 'linear to 10', classes: 10, hidden: [], inputs: Object.keys(inputs), weights: 'linear.safetensors' },
    {
      name: '1024 to 5',
      classes: 5,
      hidden: [1024],
      inputs: ['3 of 64x64', '2 of 97x33'],
      weights: 'hidden.safetensors',
    },
    { name: '512, 256 to 2', classes: 2, hidden: [512, 256], inputs: ['1 of 32x32'], weights: 'deep.safetensors' },
  ];
  const shared = sharedRoot();
  if (shared === null) return made;
  const weights = join(shared, 'weights', 'resnet50-tiny-imagenet-64px.safetensors');
  return [
    ...made,
    { name: 'trained, to 202', classes: 202, hidden: [], inputs: ['3 of 64x64', '2 of 97x33'], weights },
  ];
}

describe('forward', { skip }, () => {
  it("equals torchvision's logits and features", async (t) => {
    const folder = await temporaryDirectory(t);
    const images = Object.entries(inputs).map(
      ([name, shape], stream) => [name, { shape, values: imageValues(shape, stream) }] as const,
    );
    writeTensors(join(folder, 'inputs.safetensors'), Object.fromEntries(images));
    await reference('forward', folder, { heads: heads().map((head, seed) => ({ ...head, seed })) });
    const answers = readTensors(join(folder, 'answers.safetensors'));

    const comparisons = {
      float32: new Comparison('Logits and features, float32', 1e-5),
      float64: new Comparison('Logits and features, float64', 1e-12),
    };
    const rounded = new Comparison("Features in bfloat16, against PyTorch's in float32", 3e-2);
    for (const head of heads()) {
      for (const dtype of ['float32', 'float64'] as const) {
        const model = await loadedModel(head, dtype, resolve(folder, head.weights));
        for (const name of head.inputs) {
          const shape = inputs[name] as Shape;
          const values = imageValues(shape, Object.keys(inputs).indexOf(name));
          const given: Floats = dtype === 'float64' ? values : Float32Array.from(values);
          const key = `${head.name}/${name}/${dtype}`;
          for (const output of ['logits', 'features'] as const) {
            const actual = await model.forward(given, shape, { output, compute: 'dtype' });
            comparisons[dtype].add(
              `${output}, head ${head.name}, ${name}`,
              relativeError(actual, answers.floats(`${key}/${output}`)),
            );
          }
          if (dtype === 'float32') {
            const actual = await model.forward(given, shape, { output: 'features', compute: 'bf16' });
            rounded.add(`head ${head.name}, ${name}`, relativeError(actual, answers.floats(`${key}/features`)));
          }
        }
        model.dispose();
      }
    }
    for (const comparison of [comparisons.float32, comparisons.float64, rounded]) comparison.settle();
  });
});
