import assert from 'node:assert/strict';
import type { NativeModel } from '../../../src/native/contract/model.js';
import { native } from '../../../src/native/load.js';
import { randomiseNorms } from './networks.js';
import { distance, uniform } from './numbers.js';

export const SHAPE = [3, 3, 64, 64] as const;
export const IMAGES = uniform(3 * 3 * 64 * 64, 7);
export const LABELS = Int32Array.of(0, 4, 2);
export const ADAM = { kind: 'adam', beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;

/** What trains of a model of 5 classes with one hidden layer. */
export interface Case {
  readonly name: string;
  readonly trains: (parameter: string) => boolean;
  /** Which BatchNorms take the statistics of the batch. */
  readonly statistics: (module: string) => boolean;
}

export interface Outcome {
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Float64Array>>;
  readonly buffers: Readonly<Record<string, Float64Array>>;
  /** Of each parameter, its first side. */
  readonly channels: Readonly<Record<string, number>>;
}

/** Loss, gradients and running statistics of one batch. */
export async function outcome(
  given: Case,
  o: { autograd: boolean; arch?: string; bf16?: boolean; dropout?: number },
): Promise<Outcome> {
  const dtype = o.bf16 ? 'float32' : 'float64';
  const model = new (native().Model)({
    arch: o.arch ?? 'resnet50',
    classes: 5,
    hidden: [16],
    dropout: o.dropout ?? 0,
    dtype,
    device: 'cpu',
    seed: 3,
  });
  try {
    await randomiseNorms(model);
    const names = (kind: 'parameter' | 'buffer') =>
      model
        .tensors()
        .filter((t) => t.kind === kind)
        .map((t) => t.name);
    const modules = names('buffer')
      .filter((n) => n.endsWith('.running_mean'))
      .map((n) => n.replace('.running_mean', ''));
    const session = new (native().Session)(model, {
      groups: [{ name: 'all', parameters: names('parameter').filter(given.trains), weightDecay: 0 }],
      optimizer: ADAM,
      batchNormTraining: modules.filter(given.statistics),
      compute: o.bf16 ? 'bf16' : 'dtype',
      seed: 0,
      autograd: o.autograd,
    });
    const { loss, gradients } = await session.gradients(IMAGES, SHAPE, LABELS);
    session.dispose();
    const channels = Object.fromEntries(model.tensors().map(({ name, shape }) => [name, shape[0] ?? 1]));
    return { loss, gradients: await wide(gradients), buffers: await buffersOf(model, names('buffer')), channels };
  } finally {
    model.dispose();
  }
}

async function buffersOf(model: NativeModel, names: readonly string[]): Promise<Record<string, Float64Array>> {
  const found: Record<string, Float64Array> = {};
  for (const name of names) found[name] = Float64Array.from(await model.read(name));
  return found;
}

async function wide(values: Readonly<Record<string, ArrayLike<number>>>): Promise<Record<string, Float64Array>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Float64Array.from(value)]));
}

/** Fails where the written-out backward in float64 is not autograd's. */
export async function equalsAutograd(given: Case, arch: string): Promise<void> {
  const expected = await outcome(given, { arch, autograd: true });
  const found = await outcome(given, { arch, autograd: false });
  assert.ok(Math.abs(found.loss - expected.loss) <= 1e-11 * Math.abs(expected.loss), 'loss');
  const named = Object.keys(expected.gradients).sort();
  assert.deepEqual(Object.keys(found.gradients).sort(), named);
  for (const [part, values] of [
    ['gradients', found.gradients],
    ['buffers', found.buffers],
  ] as const) {
    for (const [name, value] of Object.entries(values)) {
      const off = distance(value, expected[part][name] ?? assert.fail(name));
      assert.ok(off < 1e-9, `${name}: ${off}`);
    }
  }
}
