import {
  type Architecture,
  type ArchitectureName,
  architectureOf,
  type ConvolutionPlan,
  type UnitName,
} from '../../model/architecture.js';
import type { HeadShape } from '../../model/head-shape.js';
import { describeUnits, type ParameterInfo } from '../../model/units.js';
import type { NativeModel } from '../../native/contract/model.js';
import type { Node, Value } from './messages.js';

/** Weights that are read in one call, as float32. */
export interface Weights {
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** The values of each of `tensors`. */
  read(model: NativeModel): Promise<readonly Float32Array[]>;
}

/** The network as ONNX has it, without a weight read. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly weights: readonly Weights[];
  readonly input: Value;
  readonly output: Value;
}

export interface GraphOptions {
  /** BatchNorm as part of the convolution before it, else as nodes of its own. */
  readonly fold: boolean;
  /** Probabilities instead of logits. */
  readonly softmax: boolean;
}

const EPSILON = 1e-5;

/** A network with this head, in operators that opset 13 and all later ones have. */
export function networkGraph(arch: ArchitectureName, head: HeadShape, { fold, softmax }: GraphOptions): Graph {
  const graph = new GraphBuilder(fold);
  const architecture = architectureOf(arch);
  let x = 'images';
  for (const plan of plansOf(architecture, 'stem')) x = graph.convolve(x, plan, true);
  x = graph.add('MaxPool', 'maxpool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  for (const unit of architecture.units.slice(1, -1)) x = block(graph, architecture, unit, x);
  x = graph.add('GlobalAveragePool', 'avgpool', [x]);
  x = graph.add('Flatten', 'flatten', [x], { axis: 1 });
  const output = softmax ? 'probabilities' : 'logits';
  x = headLayers(graph, describeUnits(head, arch).at(-1)?.parameters ?? [], x, softmax ? 'scores' : output);
  if (softmax) graph.add('Softmax', 'softmax', [x], { axis: 1 }, output);
  return {
    name: arch,
    nodes: graph.nodes,
    weights: graph.weights,
    input: { name: 'images', shape: ['batch', 3, 'height', 'width'] },
    output: { name: output, shape: ['batch', head.classes] },
  };
}

function plansOf({ convolutions }: Architecture, unit: UnitName): readonly ConvolutionPlan[] {
  return convolutions.filter((plan) => plan.unit === unit);
}

/** A basic block or a bottleneck: its convolutions, and its input or a projection of it added to what they give. */
function block(graph: GraphBuilder, architecture: Architecture, unit: UnitName, input: string): string {
  const plans = plansOf(architecture, unit);
  const projection = plans.find(({ name }) => name.endsWith('.downsample.0'));
  const path = plans.filter((plan) => plan !== projection);
  let x = input;
  for (const [index, plan] of path.entries()) x = graph.convolve(x, plan, index < path.length - 1);
  const shortcut = projection === undefined ? input : graph.convolve(input, projection, false);
  return graph.add('Relu', `${unit}.relu`, [graph.add('Add', `${unit}.add`, [x, shortcut])]);
}

function headLayers(graph: GraphBuilder, parameters: readonly ParameterInfo[], input: string, output: string): string {
  const layers = parameters.filter(({ role }) => role === 'weight').map(({ name }) => name.replace(/\.weight$/, ''));
  for (const { name, shape } of parameters) graph.store(name, shape);
  let x = input;
  for (const [index, layer] of layers.entries()) {
    const inputs = [x, `${layer}.weight`, `${layer}.bias`];
    if (index === layers.length - 1) return graph.add('Gemm', layer, inputs, { transB: 1 }, output);
    x = graph.add('Relu', `${layer}.relu`, [graph.add('Gemm', layer, inputs, { transB: 1 })]);
  }
  return x;
}

class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly weights: Weights[] = [];
  readonly #fold: boolean;

  constructor(fold: boolean) {
    this.#fold = fold;
  }

  /** Adds a node, and answers the name of what it puts out. */
  add(
    operator: string,
    name: string,
    inputs: readonly string[],
    attributes: NonNullable<Node['attributes']> = {},
    output = `${name}.output`,
  ): string {
    this.nodes.push({ operator, name, inputs, output, attributes });
    return output;
  }

  /** Takes a tensor of the model as it is. */
  store(name: string, shape: readonly number[]): void {
    this.weights.push({ tensors: [{ name, shape }], read: async (model) => [await model.read(name, 'float32')] });
  }

  /** A convolution, its BatchNorm and, with `relu`, what follows them. */
  convolve(input: string, { name, norm, shape, stride, groups }: ConvolutionPlan, relu: boolean): string {
    const [channels, , side] = shape;
    const pad = Math.floor(side / 2);
    const window = { kernel_shape: [side, side], strides: [stride, stride], pads: [pad, pad, pad, pad] };
    const attributes = groups === 1 ? window : { ...window, group: groups };
    let x: string;
    if (this.#fold) {
      this.weights.push({
        tensors: [
          { name: `${name}.weight`, shape },
          { name: `${name}.bias`, shape: [channels] },
        ],
        read: async (model) => {
          const { weight, bias } = await model.readFolded(name, norm);
          return [weight, bias];
        },
      });
      x = this.add('Conv', name, [input, `${name}.weight`, `${name}.bias`], attributes);
    } else {
      this.store(`${name}.weight`, shape);
      const figures = ['weight', 'bias', 'running_mean', 'running_var'].map((figure) => `${norm}.${figure}`);
      for (const figure of figures) this.store(figure, [channels]);
      x = this.add('Conv', name, [input, `${name}.weight`], attributes);
      x = this.add('BatchNormalization', norm, [x, ...figures], { epsilon: { float: EPSILON } });
    }
    return relu ? this.add('Relu', `${norm}.relu`, [x]) : x;
  }
}
