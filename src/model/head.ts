import type { HeadShape } from '../native/binding.js';
import { checkOptions, requireNumber } from '../options.js';

/** What replaces torchvision's `fc`. */
export interface HeadOptions {
  /**
   * Widths of hidden layers between the 2048 features and the classes: `1024`, `[1024, 256]`; `[]` for one linear layer.
   * Default `[]`. Hidden layers are named as `nn.Sequential(Linear, ReLU, Dropout, Linear)` names them: `fc.0`, `fc.3`.
   */
  readonly hidden?: number | readonly number[];
  /** Dropout probability after each hidden ReLU, in training; 0 ≤ p < 1. Default 0. */
  readonly dropout?: number;
}

/**
 * The checked shape of a head.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for no class, a width below 1, or a dropout outside [0, 1).
 */
export function headShape(classes: number, options: HeadOptions = {}): HeadShape {
  checkOptions(options, ['hidden', 'dropout'], 'head');
  requireNumber(classes, 'classes', { min: 1, integer: true });
  const hidden = typeof options.hidden === 'number' ? [options.hidden] : [...(options.hidden ?? [])];
  hidden.forEach((width, index) => {
    requireNumber(width, `head.hidden[${index}]`, { min: 1, integer: true });
  });
  const dropout = requireNumber(options.dropout ?? 0, 'head.dropout', { min: 0, exclusiveMax: 1 });
  return { classes, hidden, dropout };
}
