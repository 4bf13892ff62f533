import type { CropOptions, ViewSpec } from '../../native/contract/data.js';
import { requireNumber } from '../../options.js';
import { type Augmentation, augmentationOf, specOf, transformsOf } from './augmentation.js';
import { POLICIES } from './policies.js';

/** ImageNet's figures, by channel, red first, of values in 0 to 1: what the network's input is normalised with. */
export const MEAN = [0.485, 0.456, 0.406] as const;
export const STD = [0.229, 0.224, 0.225] as const;

/** Smallest and largest side of the square that the network sees, pixels. */
const LEAST_SIDE = 32;
const MOST_SIDE = 4096;

/**
 * What the loader makes of an image, as torchvision's transforms of the same names make it: `none` is `Resize(resize)`
 * and `CenterCrop(imageSize)`; `flip` is that and `RandomHorizontalFlip`; `standard` is
 * `RandomResizedCrop(imageSize, scale=(0.08, 1), ratio=(3/4, 4/3))` and `RandomHorizontalFlip`. What an augmentation has beside
 * its policy follows: `RandomVerticalFlip`, `ColorJitter`, `RandomGrayscale`, `RandomErasing`.
 *
 * @param imageSize side of the square, 32 to 4096 pixels
 * @param resize short side before the centre crop, pixels; less than `imageSize` leaves a black border
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
export function viewSpec(augment: Augmentation, imageSize: number, resize: number): Required<ViewSpec> {
  const spec = specOf(augmentationOf(augment));
  const { crop, flip } = POLICIES[spec.policy];
  return {
    crop: {
      kind: crop,
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
      scale: spec.cropScale ?? [0.08, 1],
      ratio: spec.cropRatio ?? [3 / 4, 4 / 3],
      flip,
      verticalFlip: spec.verticalFlip ?? 0,
    },
    transforms: transformsOf(spec).map(({ row, value }) => row.native(value)),
  };
}

/** Which part of an image evaluation and prediction see: `Resize(resize)` and `CenterCrop(imageSize)`. */
export function centerCrop(imageSize: number, resize: number): CropOptions {
  return viewSpec('none', imageSize, resize).crop;
}

/** How many views an image has, whatever the number of epochs; null where every epoch has one of its own. */
export function distinctViews(augment: Augmentation): number | null {
  const { crop, transforms } = viewSpec(augment, LEAST_SIDE, LEAST_SIDE);
  if (crop.kind === 'random' || transforms.length > 0) return null;
  return [crop.flip, crop.verticalFlip ?? 0].reduce((views, p) => (p > 0 && p < 1 ? 2 * views : views), 1);
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
