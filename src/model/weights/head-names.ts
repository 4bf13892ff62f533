/** Heads of others whose meaning is plain, under the names that this package gives them. */

import type { Backbone } from './backbone.js';
import type { FoundTensor } from './source.js';

/** What others call torchvision's `fc`. */
const MODULES = ['fc', 'classifier', 'head', 'last_linear'];
/** From one linear layer of `nn.Sequential(Linear, ReLU, Dropout, Linear)` to the next. */
const STEP = 3;
/** Modules without tensors that may stand before the first: Dropout, Flatten, ReLU, which pooled features pass as they are. */
const MOST_BEFORE = 3;

/** Tensors of a head: this package's names to those of the file. */
export interface FoundHead {
  /** The module in the file, such as `model.classifier`. */
  readonly module: string;
  readonly names: ReadonlyMap<string, string>;
}

/**
 * The head that belongs to a network: in its own module, or in one around it. One linear layer under any of the usual
 * names, behind modules without tensors or not; or linear layers as `nn.Sequential(Linear, ReLU, Dropout, Linear)` names
 * them. `fc` comes first; of several others none is taken.
 *
 * @param features that the network puts out
 */
export function findHead({ group, prefix, numbered }: Backbone, features: number): FoundHead | null {
  const { tensors } = group;
  const modules = numbered ? [...MODULES, '9'] : MODULES;
  for (const around of enclosing(prefix)) {
    const heads = modules.flatMap((name) => {
      const module = around + name;
      const names = headNames(module, tensors, features);
      return names === null ? [] : [{ module, names }];
    });
    const [first, second] = heads;
    if (first !== undefined) return second === undefined || first.module === `${around}fc` ? first : null;
    if ([...tensors.keys()].some((name) => name.startsWith(`${around}fc.`))) return null;
  }
  return null;
}

/** `a.b.` → `a.b.`, `a.`, and nothing. */
function enclosing(prefix: string): readonly string[] {
  const parts = prefix.split('.').slice(0, -1);
  return Array.from({ length: parts.length + 1 }, (_, index) =>
    parts
      .slice(0, parts.length - index)
      .map((part) => `${part}.`)
      .join(''),
  );
}

function headNames(
  module: string,
  tensors: ReadonlyMap<string, FoundTensor>,
  features: number,
): ReadonlyMap<string, string> | null {
  const held = [...tensors.keys()].filter((name) => name.startsWith(`${module}.`));
  const layers = layersOf(module, held);
  if (layers === null) return null;
  const names = new Map<string, string>();
  let inputs = features;
  for (const [index, layer] of layers.entries()) {
    const ours = layers.length === 1 ? 'fc' : `fc.${STEP * index}`;
    const [outputs, columns, ...further] = tensors.get(`${layer}.weight`)?.shape ?? [];
    if (outputs === undefined || columns !== inputs || further.length > 0) return null;
    names.set(`${ours}.weight`, `${layer}.weight`);
    const bias = tensors.get(`${layer}.bias`);
    if (bias !== undefined) {
      if (bias.shape.length !== 1 || bias.shape[0] !== outputs) return null;
      names.set(`${ours}.bias`, `${layer}.bias`);
    }
    inputs = outputs;
  }
  return names.size === held.length ? names : null;
}

/** Module names of the linear layers from the input to the output. */
function layersOf(module: string, held: readonly string[]): readonly string[] | null {
  if (held.includes(`${module}.weight`)) return [module];
  const matrices = held.filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -'.weight'.length));
  const places = matrices.map((name) => Number(/^\.(\d+)$/.exec(name.slice(module.length))?.[1] ?? Number.NaN));
  const [first] = places;
  if (first === undefined || Number.isNaN(first) || first > MOST_BEFORE) return null;
  return places.every((place, index) => place === first + STEP * index) ? matrices : null;
}
