import { checkOptions, invalidArgument, requireNumber, requireOneOf } from '../../options.js';
import { type ColorJitter, colorJitter } from './color-jitter.js';
import { grayscale } from './grayscale.js';
import { AUGMENTATIONS, type AugmentationPolicy, POLICIES } from './policies.js';
import { type RandomErasing, randomErasing } from './random-erasing.js';
import { type Range, requireRange, type TransformRow } from './transform-row.js';

/** How training images are varied: a policy, or one with more. Evaluation and prediction use `none`. */
export type Augmentation = AugmentationPolicy | AugmentationSpec;

/** A policy with what is changed about it or done beside it: `{ policy: 'standard', randomErasing: 0.25 }`. */
export interface AugmentationSpec {
  readonly policy: AugmentationPolicy;
  /** Share of the picture's area that a random crop takes, each above 0 and at most 1. Default [0.08, 1]. For `standard`. */
  readonly cropScale?: readonly [least: number, most: number];
  /** Width ÷ height of a random crop, each above 0. Default [3/4, 4/3]. For `standard`. */
  readonly cropRatio?: readonly [least: number, most: number];
  /** Probability of mirroring top to bottom. Default 0. */
  readonly verticalFlip?: number;
  /** A number stands for brightness, contrast and saturation. Default: none. */
  readonly colorJitter?: number | ColorJitter;
  /** Probability that a view loses its colours. Default 0. */
  readonly grayscale?: number;
  /** A number is the probability that a box is erased. Default 0. */
  readonly randomErasing?: number | RandomErasing;
}

/** Transforms of pixels, in the order in which they are made. */
export const TRANSFORMS = { colorJitter, grayscale, randomErasing } as const satisfies {
  readonly [Name in keyof AugmentationSpec]?: TransformRow<NonNullable<AugmentationSpec[Name]>>;
};

type TransformName = keyof typeof TRANSFORMS;

/** The transforms of an augmentation with their rows. */
export function transformsOf(spec: AugmentationSpec): readonly { row: TransformRow<never>; value: never }[] {
  return (Object.keys(TRANSFORMS) as TransformName[]).flatMap((name) => {
    const value = spec[name];
    return value === undefined ? [] : [{ row: TRANSFORMS[name] as TransformRow<never>, value: value as never }];
  });
}

/** Parts of a random crop, and their flags. */
const CROP_PARTS = { cropScale: '--crop-scale', cropRatio: '--crop-ratio' } as const;
const MOST_RATIO = 1000;

const PARTS: Readonly<Record<keyof AugmentationSpec, true>> = {
  policy: true,
  cropScale: true,
  cropRatio: true,
  verticalFlip: true,
  colorJitter: true,
  grayscale: true,
  randomErasing: true,
};

/** The augmentation with all of its parts by name. */
export function specOf(augment: Augmentation): AugmentationSpec {
  return typeof augment === 'string' ? { policy: augment } : augment;
}

/**
 * A checked augmentation in its plain form: the policy's name alone where there is nothing beside it.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming what is wrong, or contradicts the policy
 */
export function augmentationOf(value: Augmentation, name = 'augment'): Augmentation {
  if (typeof value !== 'object' || value === null) return requireOneOf(value, name, AUGMENTATIONS);
  checkOptions(value, Object.keys(PARTS), `The augmentation ${name}`);
  const policy = requireOneOf(value.policy, `${name}.policy`, AUGMENTATIONS);
  const { cropScale, cropRatio, verticalFlip } = value;
  refuseWithoutCrop(value, policy);
  const parts = {
    ...(cropScale === undefined ? {} : { cropScale: requireScale(cropScale, 'cropScale') }),
    ...(cropRatio === undefined ? {} : { cropRatio: requireRatio(cropRatio, 'cropRatio') }),
    ...(requireNumber(verticalFlip ?? 0, 'verticalFlip', { min: 0, max: 1 }) === 0 ? {} : { verticalFlip }),
    ...checkedTransforms(value),
  };
  return Object.keys(parts).length === 0 ? policy : ({ policy, ...parts } as AugmentationSpec);
}

function refuseWithoutCrop(value: AugmentationSpec, policy: AugmentationPolicy): void {
  if (POLICIES[policy].crop === 'random') return;
  const parts = Object.keys(CROP_PARTS) as (keyof typeof CROP_PARTS)[];
  const part = parts.find((name) => value[name] !== undefined);
  if (part === undefined) return;
  throw invalidArgument(
    `${part} (${CROP_PARTS[part]}) is for random crops, and the augmentation ${policy} takes the centre. Leave it out, or take ` +
      "the augmentation standard (augment: 'standard', --augment standard).",
  );
}

function requireScale(value: unknown, name: string): Range {
  return requireRange(value, name, { exclusiveMin: 0, max: 1 });
}

function requireRatio(value: unknown, name: string): Range {
  return requireRange(value, name, { exclusiveMin: 0, max: MOST_RATIO });
}

/**
 * The check of a part by itself, which leaves it as it was given.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
export function checkAugmentPart<Name extends TransformName | 'cropScale' | 'cropRatio'>(part: Name) {
  return (value: unknown, name: string): NonNullable<AugmentationSpec[Name]> => {
    if (part === 'cropScale') requireScale(value, name);
    else if (part === 'cropRatio') requireRatio(value, name);
    else (TRANSFORMS[part as TransformName] as TransformRow<unknown>).check(value, name);
    return value as NonNullable<AugmentationSpec[Name]>;
  };
}

function checkedTransforms(value: AugmentationSpec): Partial<AugmentationSpec> {
  const parts = (Object.keys(TRANSFORMS) as TransformName[]).flatMap((name) => {
    if (value[name] === undefined) return [];
    const checked = (TRANSFORMS[name] as TransformRow<never>).check(value[name] as never, name);
    return checked === null ? [] : [[name, checked] as const];
  });
  return Object.fromEntries(parts);
}

/** Such as `standard, crop scale 0.5 to 1, random erasing 0.25`. */
export function describeAugmentation(augment: Augmentation): string {
  const { policy, cropScale, cropRatio, verticalFlip, ...rest } = specOf(augment);
  return [
    policy,
    ...(cropScale === undefined ? [] : [`crop scale ${cropScale.join(' to ')}`]),
    ...(cropRatio === undefined ? [] : [`crop ratio ${cropRatio.join(' to ')}`]),
    ...(verticalFlip === undefined ? [] : [`vertical flip ${verticalFlip}`]),
    ...transformsOf({ policy, ...rest }).map(({ row, value }) => row.describe(value)),
  ].join(', ');
}
