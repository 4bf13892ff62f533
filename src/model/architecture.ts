import { requireOneOf } from '../options.js';

/** What a stage is made of: two 3×3 convolutions, or 1×1, 3×3, 1×1 of which the last is four times as wide. */
export type BlockKind = 'basic' | 'bottleneck';

/** A member of the family, as the arguments of torchvision's constructor say it. */
interface Row {
  readonly block: BlockKind;
  /** Blocks of each of the four stages. */
  readonly blocks: readonly [number, number, number, number];
  /** Of a bottleneck's 3×3 convolution. */
  readonly groups: number;
  /** Channels of a group of that convolution, in the first stage. */
  readonly widthPerGroup: number;
}

/** torchvision's ResNets, ResNeXts and Wide ResNets. Source: `torchvision/models/resnet.py`. */
const TABLE = {
  resnet18: { block: 'basic', blocks: [2, 2, 2, 2], groups: 1, widthPerGroup: 64 },
  resnet34: { block: 'basic', blocks: [3, 4, 6, 3], groups: 1, widthPerGroup: 64 },
  resnet50: { block: 'bottleneck', blocks: [3, 4, 6, 3], groups: 1, widthPerGroup: 64 },
  resnet101: { block: 'bottleneck', blocks: [3, 4, 23, 3], groups: 1, widthPerGroup: 64 },
  resnet152: { block: 'bottleneck', blocks: [3, 8, 36, 3], groups: 1, widthPerGroup: 64 },
  resnext50_32x4d: { block: 'bottleneck', blocks: [3, 4, 6, 3], groups: 32, widthPerGroup: 4 },
  resnext101_32x8d: { block: 'bottleneck', blocks: [3, 4, 23, 3], groups: 32, widthPerGroup: 8 },
  resnext101_64x4d: { block: 'bottleneck', blocks: [3, 4, 23, 3], groups: 64, widthPerGroup: 4 },
  wide_resnet50_2: { block: 'bottleneck', blocks: [3, 4, 6, 3], groups: 1, widthPerGroup: 128 },
  wide_resnet101_2: { block: 'bottleneck', blocks: [3, 4, 23, 3], groups: 1, widthPerGroup: 128 },
} as const satisfies Readonly<Record<string, Row>>;

/** The name of a member of the family, as torchvision has it. */
export type ArchitectureName = keyof typeof TABLE;

/** The members of the family: torchvision's ResNets, ResNeXts and Wide ResNets. */
export const ARCHITECTURE_NAMES = Object.keys(TABLE) as readonly ArchitectureName[];

/** What a model is where nothing says otherwise. */
export const DEFAULT_ARCHITECTURE: ArchitectureName = 'resnet50';

/** Runs of units that are named as one. */
export const STAGE_NAMES = ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head'] as const;

/** The name of a run of units: `layer3` stands for all blocks of the third stage. */
export type StageName = (typeof STAGE_NAMES)[number];

/** The name of a block: `layer3.2` is the third of the third stage. Which there are is the architecture's. */
export type BlockName = `${Exclude<StageName, 'stem' | 'head'>}.${number}`;

/** The name of a unit: `stem`, a block such as `layer3.2`, or `head`. */
export type UnitName = 'stem' | 'head' | BlockName;

/** A convolution of the backbone and the BatchNorm behind it, by module name. */
export interface ConvolutionPlan {
  readonly unit: UnitName;
  readonly name: string;
  readonly norm: string;
  /** [out, in / groups, k, k]; padding is k / 2, rounded down. */
  readonly shape: readonly [number, number, number, number];
  readonly stride: 1 | 2;
  readonly groups: number;
}

/** All that is known of a member of the family. */
export interface Architecture extends Row {
  readonly name: ArchitectureName;
  /** The ordered parts of the network, from the stem to the head. */
  readonly units: readonly UnitName[];
  /** The backbone's convolutions in forward order, `downsample.0` after a block's others, as torchvision registers them. */
  readonly convolutions: readonly ConvolutionPlan[];
  /** Channels behind each unit of the backbone; the last is the number of features. */
  readonly channels: readonly number[];
  /** Features that the head sees. */
  readonly features: number;
}

const STEM = { width: 64, kernel: 7, inputs: 3 };
const EXPANSION: Readonly<Record<BlockKind, number>> = { basic: 1, bottleneck: 4 };

const described = new Map<ArchitectureName, Architecture>();

/** The architecture of a name. */
export function architectureOf(name: ArchitectureName): Architecture {
  const known = described.get(name);
  if (known !== undefined) return known;
  const architecture = describe(name, TABLE[name]);
  described.set(name, architecture);
  return architecture;
}

/**
 * Checks the name of an architecture.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option, and the nearest name
 */
export function requireArchitecture(value: unknown, name = 'arch'): ArchitectureName {
  return requireOneOf(value, name, ARCHITECTURE_NAMES);
}

function describe(name: ArchitectureName, row: Row): Architecture {
  const { width, kernel, inputs } = STEM;
  const units: UnitName[] = ['stem'];
  const convolutions: ConvolutionPlan[] = [
    { unit: 'stem', name: 'conv1', norm: 'bn1', shape: [width, inputs, kernel, kernel], stride: 2, groups: 1 },
  ];
  const channels = [width];
  for (const [stage, blocks] of row.blocks.entries()) {
    for (let block = 0; block < blocks; block++) {
      const unit = `layer${stage + 1}.${block}` as UnitName;
      const planes = width * 2 ** stage;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      convolutions.push(...blockConvolutions(row, unit, channels.at(-1) ?? width, planes, stride));
      units.push(unit);
      channels.push(planes * EXPANSION[row.block]);
    }
  }
  return { name, ...row, units: [...units, 'head'], convolutions, channels, features: channels.at(-1) ?? width };
}

/** One block, as `BasicBlock` and `Bottleneck` of torchvision have it: the stride is that of a 3×3 convolution. */
function blockConvolutions(
  { block, groups, widthPerGroup }: Row,
  unit: UnitName,
  inputs: number,
  planes: number,
  stride: 1 | 2,
): readonly ConvolutionPlan[] {
  const plans: ConvolutionPlan[] = [];
  const at = (name: string, norm: string, shape: ConvolutionPlan['shape'], step: 1 | 2, parts = 1) =>
    plans.push({ unit, name: `${unit}.${name}`, norm: `${unit}.${norm}`, shape, stride: step, groups: parts });
  const outputs = planes * EXPANSION[block];
  if (block === 'basic') {
    at('conv1', 'bn1', [planes, inputs, 3, 3], stride);
    at('conv2', 'bn2', [planes, planes, 3, 3], 1);
  } else {
    const width = Math.floor((planes * widthPerGroup) / STEM.width) * groups;
    at('conv1', 'bn1', [width, inputs, 1, 1], 1);
    at('conv2', 'bn2', [width, width / groups, 3, 3], stride, groups);
    at('conv3', 'bn3', [outputs, width, 1, 1], 1);
  }
  if (stride !== 1 || inputs !== outputs) at('downsample.0', 'downsample.1', [outputs, inputs, 1, 1], stride);
  return plans;
}

/**
 * What a unit of the backbone puts out for square images: [channels, side, side].
 *
 * @param units counted from the input, 1 for the stem alone
 * @param imageSize side of the images, pixels
 */
export function outputShape(
  { units: names, channels, convolutions }: Architecture,
  units: number,
  imageSize: number,
): readonly [channels: number, height: number, width: number] {
  const within = new Set<UnitName>(names.slice(0, units));
  const halvings = convolutions.filter(
    ({ unit, name, stride }) => within.has(unit) && stride === 2 && !name.includes('downsample'),
  );
  // The stem's pooling halves as well.
  let side = Math.ceil(imageSize / 2);
  for (let i = 0; i < halvings.length; i++) side = Math.ceil(side / 2);
  return [channels[units - 1] ?? 0, side, side];
}

/** The stage of a unit: `layer3.2` → `layer3`. */
export function stageOf(unit: UnitName): StageName {
  return unit.split('.')[0] as StageName;
}

/** Names of all units and stages of an architecture, or of every architecture, as rules may name them. */
export function partNames(units: readonly UnitName[] = everyUnit()): readonly string[] {
  return [...new Set<string>([...STAGE_NAMES, ...units])];
}

/** Units that some architecture has. */
function everyUnit(): readonly UnitName[] {
  return [...new Set(ARCHITECTURE_NAMES.flatMap((name) => architectureOf(name).units))];
}
