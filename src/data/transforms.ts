import type { CropOptions } from '../native/contract/data.js';
import { requireNumber, requireOneOf } from '../options.js';

/** How training images are varied. Evaluation and prediction use `none`. */
export type Augmentation = 'none' | 'flip' | 'standard';

export const AUGMENTATIONS = ['none', 'flip', 'standard'] as const satisfies readonly Augmentation[];

/** ImageNet's figures, by channel, red first, of values in 0 to 1: what the network's input is normalised with. */
export const MEAN = [0.485, 0.456, 0.406] as const;
export const STD = [0.229, 0.224, 0.225] as const;

/** Smallest and largest side of the square that the network sees, pixels. */
const LEAST_SIDE = 32;
const MOST_SIDE = 4096;

/**
 * What the loader makes of an image, as torchvision's transforms of the same names make it: `none` is `Resize(resize)`
 * and `CenterCrop(imageSize)`; `flip` is that and `RandomHorizontalFlip`; `standard` is
 * `RandomResizedCrop(imageSize, scale=(0.08, 1), ratio=(3/4, 4/3))` and `RandomHorizontalFlip`.
 *
 * @param imageSize side of the square, 32 to 4096 pixels
 * @param resize short side before the centre crop, pixels; less than `imageSize` leaves a black border
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
export function cropOptions(augment: Augmentation, imageSize: number, resize: number): CropOptions {
  requireOneOf(augment, 'augment', AUGMENTATIONS);
  return {
    kind: augment === 'standard' ? 'random' : 'center',
    size: requireNumber(imageSize, 'imageSize', {
      integer: true,
      min: LEAST_SIDE,
      max: MOST_SIDE,
    }),
    resize: requireNumber(resize, 'resize', {
      integer: true,
      min: 1,
      max: 2 * MOST_SIDE,
    }),
    scale: [0.08, 1],
    ratio: [3 / 4, 4 / 3],
    flip: augment === 'none' ? 0 : 0.5,
  };
}

/**
 * The short side before the centre crop, where none is given: the weights' own share of the crop (V1 of torchvision's
 * weights 256/224, V2 232/224) at this image size, and 256/224 where they have none.
 */
export function defaultResize(
  imageSize: number,
  weights?: { readonly resize: number; readonly crop: number } | null,
): number {
  const { resize, crop } = weights ?? { resize: 256, crop: 224 };
  return Math.round((imageSize * resize) / crop);
}
