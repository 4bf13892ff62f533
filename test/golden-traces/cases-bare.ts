import { join } from 'node:path';
import type { Dataset } from '../../src/data/dataset.js';
import type { Augmentation } from '../../src/data/transforms/augmentation.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import { resolveFreeze } from '../../src/model/freeze.js';
import { buildGroups } from '../../src/optim/groups.js';
import { TrainingSession } from '../../src/training/session.js';
import { strategies } from '../../src/training/strategies.js';
import { imageValues, labelValues, sizeOf } from '../parity/recipe.js';
import { type Case, DOUBLE, SINGLE } from './case.js';
import { digestByUnit, digestOf, hashOf } from './digest.js';
import { makeModel, openPictures, type Place } from './place.js';
import { type Json, plain, type TraceOptions } from './trace.js';

const json = (value: unknown): Json => value as Json;

async function gradients(place: Place, { bits }: TraceOptions): Promise<Json> {
  const traces: Record<string, Json> = {};
  using model = await makeModel(place);
  const shapes = new Map(model.handle.tensors().map(({ name, shape }) => [name, shape]));
  const shape = [5, 3, 48, 32] as const;
  // The others freeze as one of these, or all but the head.
  for (const name of ['partial', 'full'] as const) {
    const { freeze, batchNorm, groups, optimizer } = strategies[name];
    const plan = resolveFreeze(model.units(), freeze, { batchNorm });
    const session = new TrainingSession(model, {
      groups: buildGroups(model.units(), groups, plan.trainable),
      optimizer,
      batchNorm,
    });
    const { loss, gradients: found } = await session.gradients(imageValues(shape, 1), labelValues(5, 3, 1), { shape });
    session.dispose();
    const tensors = Object.entries(found).map(([parameter, values]) => ({
      name: parameter,
      shape: shapes.get(parameter) ?? [],
      dtype: values.constructor.name,
      values,
    }));
    traces[name] = json({ loss, gradients: digestByUnit(tensors, bits) });
  }
  return traces;
}

/** Views of every image in their order: labels, indices, and pixels by their bytes and their sum. */
async function views(data: Dataset, augment: Augmentation, epoch: number, bits: boolean): Promise<Json> {
  const batches: Json[] = [];
  const options = { augment, epoch, seed: 2 ** 40 + 3, batchSize: 4, imageSize: 32, resize: 40, workers: 2 } as const;
  for await (const { images, labels, indices, shape, failures } of data.batches({ ...options, format: 'uint8' })) {
    const side = sizeOf(shape.slice(1));
    const pixels = Array.from(indices, (_, i) => images.subarray(i * side, (i + 1) * side));
    batches.push(
      json({
        labels: [...labels],
        indices: [...indices],
        shape,
        failures: failures.length,
        pixels: pixels.map((view) => hashOf(view).slice(0, 12)),
        brightness: pixels.map((view) => view.reduce((sum, value) => sum + value, 0) / side),
        ...(bits ? { bits: hashOf(images) } : {}),
      }),
    );
  }
  return batches;
}

async function allViews(place: Place, { bits }: TraceOptions): Promise<Json> {
  const data = await openPictures(place);
  const traces: Record<string, Json> = {};
  for (const [augment, epochs] of [
    ['none', [0, 1]],
    ['flip', [0, 3]],
    ['standard', [0, 1, 2 ** 31]],
  ] as const) {
    for (const epoch of epochs) traces[`${augment}, epoch ${epoch}`] = await views(data, augment, epoch, bits);
  }
  const goesOn: Json[] = [];
  for await (const { indices } of data.batches({ batchSize: 4, imageSize: 32, epoch: 1, seed: 3, firstBatch: 1 }))
    goesOn.push([...indices]);
  data.dispose();
  return { ...traces, 'from the second batch on': goesOn };
}

async function steps(place: Place, { bits }: TraceOptions): Promise<Json> {
  using model = await makeModel(place, { head: { hidden: 8, dropout: 0.3 } });
  model.freeze({ until: 'layer4.1' });
  const plan = resolveFreeze(model.units(), { until: 'layer4.1' }, { batchNorm: 'follow' });
  const groups = buildGroups(model.units(), { kind: 'uniform', lr: 1e-3, headLr: 1e-2 }, plan.trainable);
  const session = new TrainingSession(model, { groups, optimizer: 'adamw', seed: 9 });
  const data = await openPictures(place);
  const results: Json[] = [];
  for (const epoch of [0, 1]) {
    const batches = data.batches({
      epoch,
      batchSize: 4,
      imageSize: 32,
      augment: 'standard',
      seed: 9,
      format: 'float32',
    });
    for await (const batch of batches)
      results.push(json(await session.step(batch, { rates: groups.map(({ lr }) => lr / (1 + epoch)) })));
  }
  const drift = await session.drift();
  const memory = await session.memory();
  session.dispose();
  data.dispose();
  const changed = [];
  for (const { name, shape } of model.handle.tensors()) {
    if (/^(layer4\.2|fc)\./.test(name))
      changed.push({ name, shape, dtype: 'F64', values: await model.handle.read(name) });
  }
  return json({
    groups: groups.map(({ name, parameters }) => [name, parameters.length]),
    results,
    drift,
    memory,
    weights: digestByUnit(changed, bits),
  });
}

const OUTPUTS = ['stem', 'layer1.0', 'layer2.3', 'layer3.5', 'layer4.2', 'features', 'logits'] as const;

async function answers(place: Place, { bits }: TraceOptions): Promise<Json> {
  using model = await makeModel(place, { head: { hidden: 8 } });
  const shape = [2, 3, 64, 48] as const;
  const outputs: Record<string, Json> = {};
  for (const output of OUTPUTS) {
    const values = await model.handle.forward(imageValues(shape, 2), shape, { output, compute: 'dtype' });
    outputs[output] = json(digestOf([{ name: output, shape: [values.length], dtype: 'F64', values }], bits));
  }
  const data = await openPictures(place);
  const evaluated = await evaluate(model, data, { imageSize: 32, resize: 36, batchSize: 2 });
  const all = await evaluate(model, data, { split: 'all', imageSize: 64, batchSize: 8 });
  data.dispose();
  return plain({ outputs, evaluated, all }, place);
}

/** By a predictor, which computes in float32, from a checkpoint of another dtype. */
async function predictions(place: Place): Promise<Json> {
  const path = join(place.root, 'answers.safetensors');
  {
    using model = await makeModel(place, { head: { hidden: 8 } });
    await model.save(path, { extra: { purpose: 'a trace' } });
  }
  const data = await openPictures(place);
  const predictor = await Predictor.load(path, { device: 'cpu', precision: 'fp32', imageSize: 32, resize: 36 });
  const files = data.split('val').files.map((file) => file.path);
  const answered = await Promise.all(files.map((file) => predictor.predict(file, { topK: 3, features: true })));
  predictor.dispose();
  data.dispose();
  return plain(
    answered.map(({ features, ...rest }) => ({
      ...rest,
      features: digestOf([{ name: 'features', shape: [features.length], dtype: 'F32', values: features }], false),
    })),
    place,
  );
}

/** What is used without a run. */
export const bareCases: readonly Case[] = [
  { name: 'views', tolerance: DOUBLE, trace: allViews },
  { name: 'gradients', tolerance: DOUBLE, trace: gradients },
  { name: 'steps of a session', tolerance: DOUBLE, trace: steps },
  { name: 'answers', tolerance: DOUBLE, trace: answers },
  { name: 'predictions', tolerance: SINGLE, trace: predictions },
];
