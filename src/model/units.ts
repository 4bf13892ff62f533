import {
  type ArchitectureName,
  architectureOf,
  type ConvolutionPlan,
  DEFAULT_ARCHITECTURE,
  type UnitName,
} from './architecture.js';
import type { HeadShape } from './head-shape.js';

/** The 18 units of a ResNet-50, from the input to the head; `model.units()` has those of any model. */
export const UNIT_NAMES: readonly UnitName[] = architectureOf('resnet50').units;

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

/** One of the ordered parts of the network. */
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

function headParameters(head: HeadShape, features: number): readonly ParameterInfo[] {
  const widths = [features, ...head.hidden, head.classes];
  return widths.slice(1).flatMap((out, layer) => {
    const name = head.hidden.length === 0 ? 'fc' : `fc.${3 * layer}`;
    return [
      parameter('head', `${name}.weight`, [out, widths[layer] ?? features], 'linear', 'weight'),
      parameter('head', `${name}.bias`, [out], 'linear', 'bias'),
    ];
  });
}

/** The units of a network with this head. */
export function describeUnits(head: HeadShape, arch: ArchitectureName = DEFAULT_ARCHITECTURE): readonly UnitInfo[] {
  const { units, convolutions, features } = architectureOf(arch);
  return units.map((name, index) => {
    const plans = convolutions.filter((plan) => plan.unit === name);
    return {
      name,
      index,
      parameters: name === 'head' ? headParameters(head, features) : plans.flatMap(convolutionParameters),
      batchNorms: plans.map((plan) => plan.norm),
      convolutions: plans.map((plan) => plan.name),
    };
  });
}

/** The convolutions of the backbone and the BatchNorms behind them, in forward order, by module name. */
export function backboneOf(units: readonly UnitInfo[]): {
  readonly convolutions: readonly string[];
  readonly batchNorms: readonly string[];
} {
  return {
    convolutions: units.flatMap(({ convolutions }) => convolutions),
    batchNorms: units.flatMap(({ batchNorms }) => batchNorms),
  };
}
