import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { Device } from '../../../src/model/device.js';
import { ResNet50 } from '../../../src/model/resnet50.js';
import { fill } from '../../model/support/golden.js';

/** Models that begin with the same weights, those of the recipe that PyTorch's figures were computed from. */
export interface Checkpoint {
  readonly path: string;
  on(device: Device): Promise<ResNet50>;
}

/** Written before the tests of the group that it is called in, and removed after them. */
export function recipeCheckpoint(classes: number | readonly string[], hidden: readonly number[]): Checkpoint {
  let folder = '';
  const checkpoint = {
    path: '',
    on: (device: Device): Promise<ResNet50> => ResNet50.load(checkpoint.path, { device }),
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    checkpoint.path = join(folder, 'recipe.safetensors');
    using model = await ResNet50.create({
      classes,
      weights: 'none',
      device: 'cpu',
      ...(hidden.length === 0 ? {} : { head: { hidden } }),
    });
    await fill(model.handle, 'float32');
    await model.save(checkpoint.path);
  });
  after(() => rm(folder, { recursive: true, force: true }));
  return checkpoint;
}

export type Weights = ReadonlyMap<string, ArrayLike<number>>;

/** The tensor in which two trainings are furthest apart, as a share of the way that the second one has come. */
export interface Apart {
  readonly share: number;
  readonly tensor: string;
}

/** Of weights that hardly moved, a ten-thousandth of their size stands for the way. */
export function apart(got: Weights, expected: Weights, start: Weights): Apart {
  let worst: Apart = { share: 0, tensor: '' };
  for (const [tensor, values] of expected) {
    const [mine, before] = [got.get(tensor) ?? [], start.get(tensor) ?? []];
    const [difference, way, size] = [distance(mine, values), distance(values, before), distance(values, [])];
    const share = difference / (way + 1e-4 * size + 1e-30);
    if (!(share <= worst.share)) worst = { share, tensor };
  }
  return worst;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += ((a[i] ?? Number.NaN) - (b[i] ?? 0)) ** 2;
  return Math.sqrt(squares);
}
