import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Floats, ModelDtype, NativeModel } from '../../../src/native/contract/model.js';
import type { NativeOptimizer } from '../../../src/native/contract/optimizer.js';
import { weightValues } from '../../parity/recipe.js';
import { readTensors, type TensorFile } from '../../parity/safetensors.js';
import { fixtures } from '../../support/paths.js';

// What PyTorch computed from weights and images that an integer hash gives; test/parity/golden.py wrote it.

export interface Steps {
  readonly name: string;
  readonly optimizer: NativeOptimizer;
  readonly groups: readonly {
    readonly name: string;
    readonly parameters: readonly string[];
    readonly weightDecay: number;
  }[];
  readonly rates: readonly (readonly number[])[];
}

export interface Input {
  readonly name: string;
  readonly shape: readonly [number, number, number, number];
  readonly stream: number;
}

/** Ten steps, or two, from the recipe's weights, always on the same batch. */
export interface TrainingCase extends Steps, Input {
  readonly batchNormTraining: readonly string[];
}

interface Cases {
  readonly classes: number;
  readonly hidden: Readonly<Record<ModelDtype, readonly number[]>>;
  readonly forward: readonly (Input & { readonly dtype: ModelDtype })[];
  readonly training: readonly TrainingCase[];
  readonly optimizers: readonly Steps[];
}

const folder = join(fixtures, 'golden');
export const cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Cases;
export const golden = (name: 'forward' | 'training' | 'optimizers'): TensorFile =>
  readTensors(join(folder, `${name}.safetensors`));

/** Gives the named tensors, or all, the recipe's weights. */
export async function fill(model: NativeModel, dtype: ModelDtype, only?: (name: string) => boolean): Promise<void> {
  for (const [position, { name, shape }] of model.tensors().entries()) {
    if (only === undefined || only(name)) await model.write(name, floats(weightValues(name, shape, position), dtype));
  }
}

export function floats(values: Float64Array, dtype: ModelDtype): Floats {
  return dtype === 'float64' ? values : Float32Array.from(values);
}

/** The digest of the tensor at this place. */
export function row(matrix: Floats, index: number): Floats {
  return matrix.subarray(index * 9, index * 9 + 9);
}
