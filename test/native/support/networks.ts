import type { NativeModel } from '../../../src/native/contract/model.js';
import { uniform } from './numbers.js';

/** Gives every BatchNorm weights and statistics that are not those it begins with, so that nothing cancels by chance. */
export async function randomiseNorms(model: NativeModel): Promise<void> {
  let seed = 100;
  for (const { name, shape } of model.tensors()) {
    const channels = shape[0] ?? 0;
    const spread = (middle: number, range: number) => uniform(channels, seed).map((value) => middle + range * value);
    seed += 1;
    if (/(bn\d|downsample\.1)\.weight$/.test(name)) await model.write(name, spread(0.8, 0.4));
    else if (/(bn\d|downsample\.1)\.bias$/.test(name)) await model.write(name, spread(0, 0.2));
    else if (name.endsWith('.running_mean')) await model.write(name, spread(0, 0.2));
    else if (name.endsWith('.running_var')) await model.write(name, spread(1, 0.5));
  }
}

/** Names of the backbone's units, from the names of the tensors. */
export function backboneOf(model: NativeModel): readonly string[] {
  const blocks = model.tensors().flatMap(({ name }) => /^layer\d\.\d+/.exec(name)?.[0] ?? []);
  return ['stem', ...new Set(blocks)];
}
