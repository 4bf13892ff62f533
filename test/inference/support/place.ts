import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Prediction } from '../../../src/index.js';
import { ResNet50 } from '../../../src/model/resnet50.js';
import { writeImage } from '../../cli/support/images.js';

/** A small view, so that the network takes little time. */
export const input = { imageSize: 32, resize: 36, precision: 'fp32', workers: 1 } as const;

/** A checkpoint of a network with random weights, and pictures that it sees differently. */
export interface Place {
  readonly folder: string;
  readonly checkpoint: string;
  /** PNG files of 60×60 pixels. */
  readonly files: readonly [string, string, string];
  /** What they hold. */
  readonly bytes: readonly [Buffer, Buffer, Buffer];
  remove(): Promise<void>;
}

export async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
  const checkpoint = join(folder, 'model.safetensors');
  using model = await ResNet50.create({ classes: ['a', 'b', 'c'], weights: 'none', device: 'cpu', seed: 3 });
  await model.save(checkpoint);
  const files = await Promise.all(
    [0, 1, 2].map(async (label) => {
      const jpeg = join(folder, `photo ${label}.jpg`);
      const png = join(folder, 'pictures', `photo ${label}.png`);
      await writeImage(jpeg, label, 3 * label, 60);
      await writeImage(png, label, 3 * label, 60);
      await sharp(jpeg).png().toFile(png);
      return png;
    }),
  );
  const bytes = await Promise.all(files.map((file) => readFile(file)));
  return {
    folder,
    checkpoint,
    files: files as unknown as Place['files'],
    bytes: bytes as unknown as Place['bytes'],
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Probabilities by class index, to compare by. */
export function shares({ predictions }: Pick<Prediction, 'predictions'>): readonly number[] {
  const sorted = [...predictions].sort((one, other) => one.index - other.index);
  return sorted.map(({ probability }) => probability);
}

/** Whether two predictions say the same. Those of different pictures differ by far more. */
export function same(one: Pick<Prediction, 'predictions'>, other: Pick<Prediction, 'predictions'>): boolean {
  const theirs = shares(other);
  return shares(one).every((share, index) => Math.abs(share - (theirs[index] ?? Number.NaN)) < 1e-6);
}
