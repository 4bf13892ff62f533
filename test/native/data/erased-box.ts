import { addressedBits, unit } from './philox.js';
import { roundHalfEven } from './pillow.js';

/** As numbered in native/core/rng.h. */
const ERASING = 8;

/** ImageNet's mean colour, 255 · (0.485, 0.456, 0.406), as bytes. */
export const FILL = [124, 116, 104] as const;

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Erasing {
  readonly probability: number;
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** `RandomErasing.get_params` of torchvision, on the numbers of an address; null where nothing is erased. */
export function erasedBox(
  size: number,
  { probability, scale, ratio }: Erasing,
  { seed, epoch, index }: { readonly seed: number; readonly epoch: number; readonly index: number },
): Box | null {
  let position = 0;
  const uniform = (low: number, high: number): number =>
    low + (high - low) * unit(addressedBits(seed, epoch, index, ERASING, position++));
  if (uniform(0, 1) >= probability) return null;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = size * size * uniform(...scale);
    const aspect = Math.exp(uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const height = roundHalfEven(Math.sqrt(area * aspect));
    const width = roundHalfEven(Math.sqrt(area / aspect));
    if (height >= size || width >= size) continue;
    const top = Math.floor(uniform(0, size - height + 1));
    const left = Math.floor(uniform(0, size - width + 1));
    return { left, top, width, height };
  }
  return null;
}

/** A view with a box filled. */
export function erase(view: Uint8Array, size: number, box: Box | null): Uint8Array {
  const out = Uint8Array.from(view);
  if (box === null) return out;
  for (let y = box.top; y < box.top + box.height; y++) {
    for (let x = box.left; x < box.left + box.width; x++) out.set(FILL, (y * size + x) * 3);
  }
  return out;
}
