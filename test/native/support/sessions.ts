import type { Floats, NativeModel, NativeModelOptions } from '../../../src/native/contract/model.js';
import type { NativeSession, NativeSessionOptions } from '../../../src/native/contract/session.js';
import { native } from '../../../src/native/load.js';

export const ADAM = { kind: 'adam', beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;
export const SGD = { kind: 'sgd', momentum: 0, dampening: 0, nesterov: false } as const;

export function newModel(options: Partial<NativeModelOptions> = {}): NativeModel {
  return new (native().Model)({
    arch: 'resnet50',
    classes: 2,
    hidden: [],
    dropout: 0,
    dtype: 'float32',
    device: 'cpu',
    seed: 1,
    ...options,
  });
}

/** One group of these parameters. */
export function newSession(
  model: NativeModel,
  parameters: readonly string[],
  options: Partial<NativeSessionOptions> = {},
): NativeSession {
  return new (native().Session)(model, {
    groups: [{ name: 'all', parameters, weightDecay: 0 }],
    optimizer: SGD,
    batchNormTraining: [],
    compute: 'dtype',
    seed: 0,
    ...options,
  });
}

export function parametersOf(model: NativeModel): readonly string[] {
  return model
    .tensors()
    .filter(({ kind }) => kind === 'parameter')
    .map(({ name }) => name);
}

/** Names of all BatchNorms. */
export function normsOf(model: NativeModel): readonly string[] {
  return model
    .tensors()
    .filter(({ name }) => name.endsWith('.running_mean'))
    .map(({ name }) => name.replace('.running_mean', ''));
}

/** Every parameter and buffer. */
export async function valuesOf(model: NativeModel): Promise<ReadonlyMap<string, Floats>> {
  const found = new Map<string, Floats>();
  for (const { name } of model.tensors()) found.set(name, await model.read(name));
  return found;
}

/** Names of the tensors that are not the same, bit for bit. */
export function differing(a: ReadonlyMap<string, Floats>, b: ReadonlyMap<string, Floats>): readonly string[] {
  return [...a]
    .filter(([name, values]) => !values.every((value, i) => Object.is(value, b.get(name)?.[i])))
    .map(([name]) => name);
}

export async function fill(model: NativeModel, name: string, value: number): Promise<void> {
  const tensor = model.tensors().find((each) => each.name === name);
  const count = tensor?.shape.reduce((product, side) => product * side, 1) ?? 0;
  await model.write(name, new Float64Array(count).fill(value));
}
