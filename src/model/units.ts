import type { HeadShape } from './head-shape.js';

/** The 18 ordered parts of the network, from the input to the head. */
export const UNIT_NAMES = [
  'stem',
  'layer1.0',
  'layer1.1',
  'layer1.2',
  'layer2.0',
  'layer2.1',
  'layer2.2',
  'layer2.3',
  'layer3.0',
  'layer3.1',
  'layer3.2',
  'layer3.3',
  'layer3.4',
  'layer3.5',
  'layer4.0',
  'layer4.1',
  'layer4.2',
  'head',
] as const;

/** The name of a unit. */
export type UnitName = (typeof UNIT_NAMES)[number];

/** Runs of units that are named as one. */
export const STAGE_NAMES = ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head'] as const;

/** The name of a run of units: `layer3` stands for `layer3.0` to `layer3.5`. */
export type StageName = (typeof STAGE_NAMES)[number];

/** A parameter as torchvision names and shapes it. */
export interface ParameterInfo {
  readonly name: string;
  readonly shape: readonly number[];
  /** Number of values. */
  readonly size: number;
  readonly unit: UnitName;
  readonly kind: 'convolution' | 'batchNorm' | 'linear';
  readonly role: 'weight' | 'bias';
}

/** One of the 18 ordered parts of the network. */
export interface UnitInfo {
  readonly name: UnitName;
  readonly index: number;
  /** In the order of `state_dict()`. */
  readonly parameters: readonly ParameterInfo[];
  /** Module names of its BatchNorms, such as `layer1.0.bn1` and `layer1.0.downsample.1`. */
  readonly batchNorms: readonly string[];
  /** Module names of its convolutions, in the same order: `batchNorms[i]` follows `convolutions[i]`. */
  readonly convolutions: readonly string[];
}

/** A convolution of the backbone and the BatchNorm behind it, by module name. */
export interface ConvolutionPlan {
  readonly unit: UnitName;
  readonly name: string;
  readonly norm: string;
  /** [out, in, k, k]; padding is k / 2, rounded down. */
  readonly shape: readonly [number, number, number, number];
  readonly stride: 1 | 2;
}

const FEATURES = 2048;
const WIDTHS = { layer1: 64, layer2: 128, layer3: 256, layer4: 512 } as const;

/** The 53 convolutions in forward order, `downsample.0` after `conv3`, as torchvision registers them. */
function planConvolutions(): readonly ConvolutionPlan[] {
  const plans: ConvolutionPlan[] = [{ unit: 'stem', name: 'conv1', norm: 'bn1', shape: [64, 3, 7, 7], stride: 2 }];
  let channels = 64;
  for (const unit of UNIT_NAMES) {
    if (unit === 'stem' || unit === 'head') continue;
    const width = WIDTHS[unit.slice(0, 6) as keyof typeof WIDTHS];
    const first = unit.endsWith('.0');
    const stride = first && unit !== 'layer1.0' ? 2 : 1;
    const at = (name: string, norm: string, shape: ConvolutionPlan['shape'], step: 1 | 2 = 1) =>
      plans.push({ unit, name: `${unit}.${name}`, norm: `${unit}.${norm}`, shape, stride: step });
    at('conv1', 'bn1', [width, channels, 1, 1]);
    at('conv2', 'bn2', [width, width, 3, 3], stride);
    at('conv3', 'bn3', [4 * width, width, 1, 1]);
    if (first) at('downsample.0', 'downsample.1', [4 * width, channels, 1, 1], stride);
    channels = 4 * width;
  }
  return plans;
}

export const CONVOLUTIONS = planConvolutions();

/** Module names of the backbone's 53 convolutions in forward order. */
export const BACKBONE_CONVOLUTIONS: readonly string[] = CONVOLUTIONS.map((plan) => plan.name);

/** The BatchNorm that follows each of `BACKBONE_CONVOLUTIONS`. */
export const BACKBONE_BATCH_NORMS: readonly string[] = CONVOLUTIONS.map((plan) => plan.norm);

function parameter(
  unit: UnitName,
  name: string,
  shape: readonly number[],
  kind: ParameterInfo['kind'],
  role: ParameterInfo['role'],
): ParameterInfo {
  return { name, shape, size: shape.reduce((product, side) => product * side, 1), unit, kind, role };
}

function convolutionParameters({ unit, name, norm, shape }: ConvolutionPlan): readonly ParameterInfo[] {
  return [
    parameter(unit, `${name}.weight`, shape, 'convolution', 'weight'),
    parameter(unit, `${norm}.weight`, [shape[0]], 'batchNorm', 'weight'),
    parameter(unit, `${norm}.bias`, [shape[0]], 'batchNorm', 'bias'),
  ];
}

function headParameters(head: HeadShape): readonly ParameterInfo[] {
  const widths = [FEATURES, ...head.hidden, head.classes];
  return widths.slice(1).flatMap((out, layer) => {
    const name = head.hidden.length === 0 ? 'fc' : `fc.${3 * layer}`;
    return [
      parameter('head', `${name}.weight`, [out, widths[layer] ?? FEATURES], 'linear', 'weight'),
      parameter('head', `${name}.bias`, [out], 'linear', 'bias'),
    ];
  });
}

/** The 18 units of a ResNet-50 with this head. */
export function describeUnits(head: HeadShape): readonly UnitInfo[] {
  return UNIT_NAMES.map((name, index) => {
    const plans = CONVOLUTIONS.filter((plan) => plan.unit === name);
    return {
      name,
      index,
      parameters: name === 'head' ? headParameters(head) : plans.flatMap(convolutionParameters),
      batchNorms: plans.map((plan) => plan.norm),
      convolutions: plans.map((plan) => plan.name),
    };
  });
}

/** The stage of a unit: `layer3.2` → `layer3`. */
export function stageOf(unit: UnitName): StageName {
  return unit.split('.')[0] as StageName;
}
