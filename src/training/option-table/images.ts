import { type Augmentation, augmentationOf, checkAugmentPart } from '../../data/transforms/augmentation.js';
import { AUGMENTATIONS } from '../../data/transforms/policies.js';
import { readColorJitter, readCropRatio, readCropScale } from '../option-readers.js';
import { choiceOr, number, numberOr, type OptionRow, onOff, text, whole } from '../option-row.js';

/** Options of the images: how they are split, cut and varied. */
export const IMAGES_OPTIONS = {
  augment: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: choiceOr(AUGMENTATIONS, 'or an augmentation such as { policy: "standard", randomErasing: 0.25 }', (value) =>
      augmentationOf(value as Augmentation),
    ),
    otherwise: "the strategy's",
    help: 'How training images are varied; the next six change a part of it',
  },
  cropScale: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: text('two shares of the area in order, above 0 and at most 1', checkAugmentPart('cropScale'), readCropScale),
    otherwise: '0.08,1',
    help: 'Least and most of the picture that a random crop takes, for --augment standard',
    isAugmentPart: true,
  },
  cropRatio: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: text('two ratios in order, above 0', checkAugmentPart('cropRatio'), readCropRatio),
    otherwise: '3/4 to 4/3',
    help: 'Least and most width to height of a random crop, for --augment standard',
    isAugmentPart: true,
  },
  verticalFlip: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: number({ min: 0, max: 1 }),
    help: 'Probability that a training image is mirrored top to bottom',
    isAugmentPart: true,
  },
  colorJitter: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: text(
      'a number, or those of brightness, contrast, saturation and hue',
      checkAugmentPart('colorJitter'),
      readColorJitter,
    ),
    help: 'How much colours vary, such as 0.4 (brightness, contrast, saturation) or 0.4,0.4,0.4,0.1 (and hue)',
    isAugmentPart: true,
  },
  grayscale: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: number({ min: 0, max: 1 }),
    help: 'Probability that a training image loses its colours',
    isAugmentPart: true,
  },
  randomErasing: {
    group: 'images',
    part: 'strategy',
    resume: 'kept',
    type: numberOr({ min: 0, max: 1 }, 'or { probability, scale, ratio }', checkAugmentPart('randomErasing')),
    help: 'Probability that a box of a training image is erased, 2 to 33% of its area',
    isAugmentPart: true,
  },
  valSplit: {
    group: 'images',
    part: 'data',
    resume: 'data',
    type: number({ exclusiveMin: 0, max: 0.9 }),
    otherwise: '0.2',
    help: 'Share of each class to hold back where the folder has no val/',
  },
  imageSize: {
    group: 'images',
    part: 'settings',
    resume: 'kept',
    type: whole({ min: 32, max: 4096 }),
    default: 224,
    help: 'Side of the square that the network sees, in pixels',
  },
  resize: {
    group: 'images',
    part: 'settings',
    resume: 'kept',
    type: whole({ min: 1, max: 8192 }),
    otherwise: "the weights' own, else 256/224 of the image size",
    help: 'Short side before the centre crop, in pixels',
  },
  skipCorrupt: {
    group: 'images',
    part: 'settings',
    resume: 'data',
    type: onOff,
    default: false,
    help: 'Leave out files that cannot be read, and list them, instead of stopping',
  },
  cacheImages: {
    group: 'images',
    part: 'conditions',
    resume: 'free',
    type: onOff,
    default: false,
    help: 'Keep decoded images in memory, as many as fit in a quarter of what is available',
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
