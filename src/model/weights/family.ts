/** Tells which member of the ResNet family some weights are of, by the names of their blocks and a few shapes. */

import { ResnetTorchError } from '../../errors.js';
import { ARCHITECTURE_NAMES, type ArchitectureName, architectureOf, type BlockKind } from '../architecture.js';
import { describeUnits } from '../units.js';
import { listNames } from './table.js';
import { describeVariants, nameOfVariant, variantsOf } from './variants.js';

interface Shaped {
  readonly shape: readonly number[];
}

/** Modules of the network; any other name is of a head, or of what a trainer keeps beside it. */
const OF_NETWORK = /^(?:conv1|bn1|layer\d+)\./;
const STAGES = [1, 2, 3, 4];
const STATISTICS = ['running_mean', 'running_var', 'num_batches_tracked'];

/** Names of the backbone's parameters and buffers. */
export function backboneNames(arch: ArchitectureName): ReadonlySet<string> {
  const units = describeUnits({ classes: 1, hidden: [], dropout: 0 }, arch).slice(0, -1);
  return new Set(
    units.flatMap(({ parameters, batchNorms }) => [
      ...parameters.map(({ name }) => name),
      ...batchNorms.flatMap((norm) => STATISTICS.map((statistic) => `${norm}.${statistic}`)),
    ]),
  );
}

/**
 * The member of the family that some tensors are of. What is merely missing or of another size makes no other network: that
 * is for `matchWeights`.
 *
 * @param tensors by torchvision's names
 * @returns null where so much is missing that nothing can be told
 * @throws ResnetTorchError `ERR_SHAPE_MISMATCH` for any other network, by its name where it has one
 */
export function recognise(path: string, tensors: ReadonlyMap<string, Shaped>): ArchitectureName | null {
  const shape = shapeOf(tensors);
  const member = memberOf(shape);
  const variants = variantsOf(tensors);
  if (variants.length > 0) {
    const base = member ?? otherName(shape);
    const name = base === null ? null : nameOfVariant(base, variants, tensors);
    throw stranger(
      path,
      `${name === null ? another(shape) : withArticle(name)}, with ${describeVariants(variants)}`,
      '',
    );
  }
  if (member !== null) {
    const expected = backboneNames(member);
    const strange = [...tensors.keys()].filter((tensor) => OF_NETWORK.test(tensor) && !expected.has(tensor));
    if (strange.length === 0) return member;
    throw stranger(path, 'another network', ` A ${member} has no ${listNames(strange, 3)}.`);
  }
  if (shape.blocks.includes(0)) return null;
  const name = otherName(shape);
  throw stranger(path, name === null ? another(shape) : withArticle(name), '');
}

/** What the names and the first block's 3×3 convolution tell. */
interface NetworkShape {
  readonly block: BlockKind;
  readonly blocks: readonly number[];
  /** Of that convolution: channels, and channels a group; null where it is missing or odd. */
  readonly width: number | null;
  readonly perGroup: number | null;
}

function shapeOf(tensors: ReadonlyMap<string, Shaped>): NetworkShape {
  const block = tensors.has('layer1.0.conv3.weight') ? 'bottleneck' : 'basic';
  const [width = null, perGroup = null] = tensors.get('layer1.0.conv2.weight')?.shape ?? [];
  return { block, blocks: blocksOf(tensors), width, perGroup };
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

/** The member with these blocks and widths; where the widths are no network's, the plain one with these blocks. */
function memberOf({ block, blocks, width, perGroup }: NetworkShape): ArchitectureName | null {
  const alike = ARCHITECTURE_NAMES.filter((name) => {
    const known = architectureOf(name);
    return known.block === block && known.blocks.join() === blocks.join();
  });
  const exact = alike.find((name) => {
    const [outputs, inputs] = firstSpatial(name);
    return outputs === width && inputs === perGroup;
  });
  const isGrouped = width !== null && perGroup !== null && perGroup < width;
  return exact ?? (isGrouped ? null : (alike[0] ?? null));
}

/** The shape of the first block's second convolution. */
function firstSpatial(arch: ArchitectureName): readonly number[] {
  return architectureOf(arch).convolutions.find(({ name }) => name === 'layer1.0.conv2')?.shape ?? [];
}

/** Of a grouped network that is no member: its name all the same, such as `resnext101_32x4d`. */
function otherName({ block, blocks, width, perGroup }: NetworkShape): string | null {
  if (width === null || perGroup === null || perGroup < 1 || perGroup >= width || width % perGroup !== 0) return null;
  const plain = memberOf({ block, blocks, width: null, perGroup: null });
  return plain === null ? null : `${plain.replace('resnet', 'resnext')}_${width / perGroup}x${perGroup}d`;
}

function another({ block, blocks }: NetworkShape): string {
  return `another network, of ${blocks.join(', ')} ${block} blocks`;
}

function withArticle(name: string): string {
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;
}

function stranger(path: string, what: string, more: string): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_SHAPE_MISMATCH',
    `${path}: these are the weights of ${what}, and only those of torchvision's networks fit: ${ARCHITECTURE_NAMES.join(', ')}.${more}`,
  );
}

/**
 * Refuses the weights of one member for a model of another.
 *
 * @param found null where it could not be told, which is for `matchWeights`
 * @throws ResnetTorchError `ERR_SHAPE_MISMATCH` naming both, and what to do
 */
export function refuseOtherMember(path: string, found: ArchitectureName | null, wanted: ArchitectureName): void {
  if (found === null || found === wanted) return;
  throw new ResnetTorchError(
    'ERR_SHAPE_MISMATCH',
    `${path}: these are the weights of a ${found}, and the model is a ${wanted}. Make it a ${found}, with --arch ${found} ` +
      `(arch: '${found}'), or name the weights of a ${wanted}.`,
  );
}
