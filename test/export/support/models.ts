import type { TestContext } from 'node:test';
import type { CreateOptions } from '../../../src/model/create.js';
import { ResNet } from '../../../src/model/network.js';
import { native } from '../../../src/native/load.js';
import { randomiseNorms } from '../../native/support/networks.js';
import { uniform } from '../../native/support/numbers.js';

export const CLASSES = ['ant', 'bee', 'Ω "wasp"'];

/** A random network in which every figure of every BatchNorm plays a part; disposed of after the test. */
export async function busyModel(
  t: Pick<TestContext, 'after'>,
  hidden: readonly number[] = [],
  options: Partial<CreateOptions> = {},
): Promise<ResNet> {
  native().setThreads(1);
  const head = { hidden, dropout: hidden.length > 0 ? 0.2 : 0 };
  const model = await ResNet.create({ classes: CLASSES, weights: 'none', device: 'cpu', seed: 3, head, ...options });
  t.after(() => model.dispose());
  await randomiseNorms(model.handle);
  return model;
}

/** Normalised images that are not small numbers by chance. */
export function drawnImages(shape: readonly [n: number, c: 3, height: number, width: number], seed = 1): Float32Array {
  return Float32Array.from(
    uniform(
      shape.reduce((product, side) => product * side, 1),
      seed,
    ),
    (value) => 2 * value,
  );
}
