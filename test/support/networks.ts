/** Names and shapes of ResNets as torchvision has them, and small files with them: every tensor repeats one number. */

import { dict, type Pickled, pickleBytes, tensor, text } from './pickle.js';
import { zipBytes } from './zip.js';

export type NamedShape = readonly [name: string, shape: readonly number[]];

export interface NetworkOptions {
  /** Of each stage; default a ResNet-50's. */
  readonly blocks?: readonly number[];
  readonly kind?: 'bottleneck' | 'basic';
  /** Of the first stage's 3×3 convolutions, and their groups. Default 64 and 1. */
  readonly width?: number;
  readonly groups?: number;
}

/** All but the head, in the order of `state_dict()`. */
export function backboneOf({
  blocks = [3, 4, 6, 3],
  kind = 'bottleneck',
  width = 64,
  groups = 1,
}: NetworkOptions = {}): readonly NamedShape[] {
  const tensors: NamedShape[] = [];
  const convolution = (name: string, norm: string, shape: readonly number[]): void => {
    const channels = [shape[0] ?? 0];
    tensors.push([`${name}.weight`, shape]);
    for (const part of ['weight', 'bias', 'running_mean', 'running_var']) tensors.push([`${norm}.${part}`, channels]);
    tensors.push([`${norm}.num_batches_tracked`, []]);
  };
  convolution('conv1', 'bn1', [64, 3, 7, 7]);
  let input = 64;
  for (const [stage, count] of blocks.entries()) {
    const inner = width * 2 ** stage;
    const output = 64 * 2 ** stage * (kind === 'basic' ? 1 : 4);
    for (let block = 0; block < count; block += 1) {
      const at = `layer${stage + 1}.${block}`;
      const shapes =
        kind === 'basic'
          ? [
              [inner, input, 3, 3],
              [inner, inner, 3, 3],
            ]
          : [
              [inner, input, 1, 1],
              [inner, inner / groups, 3, 3],
              [output, inner, 1, 1],
            ];
      for (const [index, shape] of shapes.entries())
        convolution(`${at}.conv${index + 1}`, `${at}.bn${index + 1}`, shape);
      if (block === 0 && input !== output)
        convolution(`${at}.downsample.0`, `${at}.downsample.1`, [output, input, 1, 1]);
      input = output;
    }
  }
  return tensors;
}

export function linear(module: string, outputs: number, bias = true, features = 2048): readonly NamedShape[] {
  const weight: NamedShape = [`${module}.weight`, [outputs, features]];
  return bias ? [weight, [`${module}.bias`, [outputs]]] : [weight];
}

export function prefixed(prefix: string, tensors: readonly NamedShape[]): readonly NamedShape[] {
  return tensors.map(([name, shape]) => [prefix + name, shape]);
}

/** A state dict whose tensors repeat one float32 each, the record `key`. */
export function stateDict(tensors: readonly NamedShape[], key = '0'): Pickled {
  return dict(
    ...tensors.map(([name, shape]): readonly [Pickled, Pickled] => [
      text(name),
      tensor({ key, elements: 1, shape, strides: shape.map(() => 0) }),
    ]),
  );
}

/** The file of `torch.save` for a pickle whose records hold these numbers, by key. */
export function torchFile(value: Pickled, numbers: Readonly<Record<string, number>> = { '0': 0.01 }): Buffer {
  return zipBytes([
    { name: 'archive/data.pkl', bytes: pickleBytes(value) },
    ...Object.entries(numbers).map(([key, number]) => ({
      name: `archive/data/${key}`,
      bytes: new Uint8Array(Float32Array.of(number).buffer),
    })),
  ]);
}
