import { checkOptions, requireNumber } from '../../options.js';
import { type Range, requireRange, type TransformRow } from './transform-row.js';

/**
 * Brightness, contrast, saturation and hue change at random, in a random order: torchvision's `ColorJitter`. A number `x`
 * stands for factors from `max(0, 1 − x)` to `1 + x`, and of the hue for turns from `−x` to `x` of the circle; two numbers
 * are the least and the most. What is left out stays as it is.
 */
export interface ColorJitter {
  /** 0 or more. */
  readonly brightness?: number | readonly [least: number, most: number];
  /** 0 or more. */
  readonly contrast?: number | readonly [least: number, most: number];
  /** 0 or more. */
  readonly saturation?: number | readonly [least: number, most: number];
  /** A number from 0 to 0.5, or two from −0.5 to 0.5. */
  readonly hue?: number | readonly [least: number, most: number];
}

type Part = keyof ColorJitter;
const PARTS = ['brightness', 'contrast', 'saturation', 'hue'] as const satisfies readonly Part[];

/** Factors beyond this leave black and white. */
const MOST = 1000;

function rangeOf(part: Part, value: number | Range): Range {
  if (typeof value !== 'number') return value;
  return part === 'hue' ? [-value, value] : [Math.max(0, 1 - value), 1 + value];
}

const NEUTRAL: Readonly<Record<Part, number>> = { brightness: 1, contrast: 1, saturation: 1, hue: 0 };

function checkPart(part: Part, value: unknown, name: string): number | Range {
  if (Array.isArray(value))
    return requireRange(value, name, part === 'hue' ? { min: -0.5, max: 0.5 } : { min: 0, max: MOST });
  return requireNumber(value, name, { min: 0, max: part === 'hue' ? 0.5 : MOST - 1 });
}

/** A number stands for the first three, and leaves the hue. */
export const colorJitter: TransformRow<number | ColorJitter> = {
  check(value, name) {
    if (typeof value === 'number') return requireNumber(value, name, { min: 0, max: MOST - 1 }) || null;
    checkOptions(value, PARTS, name);
    const parts = PARTS.flatMap((part) => {
      const given = value[part];
      if (given === undefined) return [];
      const checked = checkPart(part, given, `${name}.${part}`);
      return rangeOf(part, checked).every((factor) => factor === NEUTRAL[part]) ? [] : [[part, checked] as const];
    });
    return parts.length === 0 ? null : Object.fromEntries(parts);
  },
  native(value) {
    const given: ColorJitter =
      typeof value === 'number' ? { brightness: value, contrast: value, saturation: value } : value;
    const range = (part: Part): Range => rangeOf(part, given[part] ?? [NEUTRAL[part], NEUTRAL[part]]);
    return {
      name: 'colorJitter',
      brightness: range('brightness'),
      contrast: range('contrast'),
      saturation: range('saturation'),
      hue: range('hue'),
    };
  },
  describe(value) {
    if (typeof value === 'number') return `colour jitter ${value}`;
    const parts = PARTS.flatMap((part) => {
      const given = value[part];
      return given === undefined ? [] : [`${part} ${typeof given === 'number' ? given : given.join(' to ')}`];
    });
    return `colour jitter (${parts.join(', ')})`;
  },
};
