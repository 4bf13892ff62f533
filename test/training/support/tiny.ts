import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import sharp from 'sharp';
import { type Dataset, openDataset } from '../../../src/data/dataset.js';
import type { CreateOptions } from '../../../src/model/create.js';
import { ResNet50 } from '../../../src/model/resnet50.js';
import { native } from '../../../src/native/load.js';
import type { TrainingEvent } from '../../../src/training/events.js';
import type { TrainOptions } from '../../../src/training/options.js';
import type { TrainingRun } from '../../../src/training/run.js';
import { withComment } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';

/** Colours of the classes: easy to tell apart, so that few steps show. */
const COLOURS = [
  { r: 200, g: 40, b: 40 },
  { r: 40, g: 60, b: 200 },
  { r: 60, g: 190, b: 60 },
];

export interface TinyData {
  readonly train: number;
  readonly val: number;
}

/** A folder with `train/` and `val/`: three classes of 40-pixel JPEGs, so many images a class in each. */
export async function tinyFolder(t: TestContext, { train, val }: TinyData = { train: 4, val: 2 }): Promise<string> {
  const root = await temporaryDirectory(t);
  for (const [part, count] of Object.entries({ train, val })) {
    for (const [label, colour] of COLOURS.entries()) {
      const folder = join(root, part, `class ${label}`);
      await mkdir(folder, { recursive: true });
      for (let i = 0; i < count; i++) {
        const dot = {
          create: { width: 12, height: 12, channels: 3, background: { r: 9 * i, g: 250, b: 20 * i } },
        } as const;
        const jpeg = await sharp({ create: { width: 48, height: 40, channels: 3, background: colour } })
          .composite([{ input: await sharp(dot).png().toBuffer(), left: 3 * i, top: 2 * i + label }])
          .jpeg()
          .toBuffer();
        // The pictures of both parts are the same, their files are not.
        await writeFile(join(folder, `${part} ${i}.jpg`), withComment(jpeg, `${part} ${i}`));
      }
    }
  }
  return root;
}

export async function tinyData(t: TestContext, counts?: TinyData): Promise<Dataset> {
  const data = await openDataset(await tinyFolder(t, counts));
  t.after(() => data.dispose());
  return data;
}

export const tinyClasses = COLOURS.map((_, label) => `class ${label}`);

/** A random model with one linear layer for the classes of `tinyFolder`; disposed of by the test. */
export async function tinyModel(options: Partial<CreateOptions> = {}): Promise<ResNet50> {
  // Threads that wait for each other cost more than they bring at this size.
  native().setThreads(1);
  return ResNet50.create({ classes: tinyClasses, weights: 'none', device: 'cpu', seed: 1, ...options });
}

/** Everything small: the last unit and the head train, in two groups, on four images a step. */
export const tinyOptions = {
  strategy: 'full',
  freeze: { until: 'layer4.1' },
  schedule: 'constant',
  warmupEpochs: 0,
  lr: 1e-3,
  epochs: 2,
  batchSize: 4,
  imageSize: 32,
  resize: 36,
  seed: 5,
  workers: 2,
  precision: 'fp32',
} as const satisfies TrainOptions;

export async function collect(run: TrainingRun): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

export async function readEvents(directory: string): Promise<TrainingEvent[]> {
  const text = await readFile(join(directory, 'events.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainingEvent);
}

/** All tensors of a model, parameters and buffers. */
export async function weightsOf(model: ResNet50): Promise<Map<string, Float32Array | Float64Array>> {
  const weights = new Map<string, Float32Array | Float64Array>();
  for (const { name } of model.handle.tensors()) weights.set(name, await model.handle.read(name));
  return weights;
}

/** Names of the tensors that differ in a bit. */
export function differences(
  a: ReadonlyMap<string, Float32Array | Float64Array>,
  b: ReadonlyMap<string, Float32Array | Float64Array>,
): string[] {
  const bytes = (values: Float32Array | Float64Array | undefined) =>
    values === undefined ? Buffer.alloc(0) : Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return [...a.keys()].filter((name) => !bytes(a.get(name)).equals(bytes(b.get(name))));
}
