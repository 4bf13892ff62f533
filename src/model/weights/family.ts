/** Tells which member of the ResNet family some weights are of, by the names of their blocks and two shapes. */

import { ResnetTorchError } from '../../errors.js';
import { listNames } from './table.js';

interface Shaped {
  readonly shape: readonly number[];
}

const BASIC: Readonly<Record<string, string>> = { '2,2,2,2': '18', '3,4,6,3': '34' };
const BOTTLENECK: Readonly<Record<string, string>> = { '3,4,6,3': '50', '3,4,23,3': '101', '3,8,36,3': '152' };
/** Modules of the network; any other name is of a head, or of what a trainer keeps beside it. */
const OF_NETWORK = /^(?:conv1|bn1|layer\d+)\./;
const OWN = 'resnet50';
const OWN_BLOCKS = '3,4,6,3';
const STAGES = [1, 2, 3, 4];

/**
 * Refuses the weights of another network than a ResNet-50, by its name where it has one. What is merely missing or of
 * another size is no other network: that is for `matchWeights`.
 *
 * @param tensors by torchvision's names
 * @param expected whether a ResNet-50 has a tensor of the name
 * @throws ResnetTorchError `ERR_SHAPE_MISMATCH`
 */
export function refuseOtherNetwork(
  path: string,
  tensors: ReadonlyMap<string, Shaped>,
  expected: (name: string) => boolean,
): void {
  const blocks = blocksOf(tensors);
  const isBottleneck = tensors.has('layer1.0.conv3.weight');
  const depth = (isBottleneck ? BOTTLENECK : BASIC)[blocks.join()];
  const name = depth === undefined ? null : memberOf(depth, tensors.get('layer1.0.conv2.weight')?.shape ?? []);
  const strange = [...tensors.keys()].filter((tensor) => OF_NETWORK.test(tensor) && !expected(tensor));
  const isOther = blocks.join() !== OWN_BLOCKS && blocks.every((count) => count > 0);
  if (strange.length === 0 && !isOther && (name === null || name === OWN)) return;
  const kind = isOther ? `, of ${blocks.join(', ')} ${isBottleneck ? 'bottleneck' : 'basic'} blocks` : '';
  const what =
    name !== null && name !== OWN
      ? `these are the weights of a ${name}`
      : `these are the weights of another network${kind}`;
  const names = strange.length === 0 ? '' : ` A ResNet-50 has no ${listNames(strange, 3)}.`;
  throw new ResnetTorchError(
    'ERR_SHAPE_MISMATCH',
    `${path}: ${what}, and only those of a ResNet-50 (3, 4, 6, 3 bottleneck blocks) fit.${names} Name the weights of a ResNet-50.`,
  );
}

/** Blocks of each stage, by the highest index. */
function blocksOf(tensors: ReadonlyMap<string, Shaped>): readonly number[] {
  const counts = new Map<number, number>();
  for (const name of tensors.keys()) {
    const [, stage, block] = /^layer(\d+)\.(\d+)\.conv1\.weight$/.exec(name) ?? [];
    if (stage !== undefined) counts.set(Number(stage), Math.max(counts.get(Number(stage)) ?? 0, Number(block) + 1));
  }
  return STAGES.map((stage) => counts.get(stage) ?? 0);
}

/** torchvision's name, from the width and the groups of the first block's 3×3 convolution, [width, width / groups, 3, 3]. */
function memberOf(depth: string, shape: readonly number[]): string | null {
  const [width, inputs] = shape;
  if (depth === '18' || depth === '34') return width === 64 && inputs === 64 ? `resnet${depth}` : null;
  if (width === 64 && inputs === 64) return `resnet${depth}`;
  if (width === 128 && inputs === 128) return `wide_resnet${depth}_2`;
  if (width !== undefined && inputs !== undefined && inputs > 0 && inputs < width) {
    return `resnext${depth}_${width / inputs}x${inputs}d`;
  }
  return null;
}
