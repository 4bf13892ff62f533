import { checkOptions, requireNumber } from '../../options.js';
import { type Range, requireRange, type TransformRow } from './transform-row.js';

/**
 * A box of the view is filled with ImageNet's mean colour, which is 0 once normalised (to half a grey level, since views are
 * bytes): torchvision's `RandomErasing(p, scale, ratio, value=0)`, after Zhong et al., "Random erasing data augmentation".
 */
export interface RandomErasing {
  /** Of an image, 0 to 1. */
  readonly probability: number;
  /** Share of the view's area, each above 0 and at most 1. Default [0.02, 0.33]. */
  readonly scale?: readonly [least: number, most: number];
  /** Height ÷ width of the box, each above 0. Default [0.3, 3.3]. */
  readonly ratio?: readonly [least: number, most: number];
}

const SCALE: Range = [0.02, 0.33];
const RATIO: Range = [0.3, 3.3];
const MOST_RATIO = 1000;

/** A number is the probability, with the other defaults. */
export const randomErasing: TransformRow<number | RandomErasing> = {
  check(value, name) {
    if (typeof value !== 'object') return requireNumber(value, name, { min: 0, max: 1 }) || null;
    checkOptions(value, ['probability', 'scale', 'ratio'], name);
    const probability = requireNumber(value.probability, `${name}.probability`, { min: 0, max: 1 });
    const { scale, ratio } = value;
    const box = {
      ...(scale === undefined ? {} : { scale: requireRange(scale, `${name}.scale`, { exclusiveMin: 0, max: 1 }) }),
      ...(ratio === undefined
        ? {}
        : { ratio: requireRange(ratio, `${name}.ratio`, { exclusiveMin: 0, max: MOST_RATIO }) }),
    };
    if (probability === 0) return null;
    return Object.keys(box).length === 0 ? probability : { probability, ...box };
  },
  native(value) {
    const given = typeof value === 'object' ? value : { probability: value };
    return { name: 'randomErasing', scale: SCALE, ratio: RATIO, ...given };
  },
  describe: (value) => `random erasing ${typeof value === 'object' ? value.probability : value}`,
};
