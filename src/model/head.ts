import { checkOptions, describe, invalidArgument, requireNumber } from '../options.js';
import type { HeadShape } from './head-shape.js';

/** What replaces torchvision's `fc`. */
export interface HeadOptions {
  /**
   * Widths of hidden layers between the features and the classes: `1024`, `[1024, 256]`; `[]` for one linear layer.
   * Default `[]`. Hidden layers are named as `nn.Sequential(Linear, ReLU, Dropout, Linear)` names them: `fc.0`, `fc.3`.
   */
  readonly hidden?: number | readonly number[];
  /** Dropout probability after each hidden ReLU, in training; 0 ≤ p < 1. Default 0. */
  readonly dropout?: number;
}

/** Wider hidden layers are a slip of the hand: one of 65,536 has 134 million weights. */
const WIDEST = 65536;

/**
 * The checked shape of a head.
 *
 * @param classes how many outputs, at least 1
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for no class, a width that is no whole number from 1 to 65,536, a
 * dropout outside [0, 1), or a dropout where there is no hidden layer for it to follow
 */
export function headShape(classes: number, options: HeadOptions = {}): HeadShape {
  checkOptions(options, ['hidden', 'dropout'], 'head');
  requireNumber(classes, 'classes', { min: 1, integer: true });
  const hidden = hiddenWidths(options.hidden ?? []);
  const dropout = requireNumber(options.dropout ?? 0, 'head.dropout', { min: 0, exclusiveMax: 1 });
  if (dropout > 0 && hidden.length === 0) {
    throw invalidArgument(
      `head.dropout is ${dropout}, but it follows hidden layers and this head has none. Give head.hidden, or leave it 0.`,
    );
  }
  return { classes, hidden, dropout };
}

function hiddenWidths(hidden: number | readonly number[]): readonly number[] {
  const width = (value: unknown, name: string) => requireNumber(value, name, { min: 1, max: WIDEST, integer: true });
  if (typeof hidden === 'number') return [width(hidden, 'head.hidden')];
  if (!Array.isArray(hidden)) {
    throw invalidArgument(`head.hidden must be a width or an array of widths, not ${describe(hidden)}.`);
  }
  return hidden.map((value, index) => width(value, `head.hidden[${index}]`));
}
