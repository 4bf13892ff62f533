import type { PrecisionName } from '../model/precision.js';
import { invalidArgument, requireNumber } from '../options.js';

/**
 * What losses are multiplied by in fp16, so that small gradients do not vanish. `dynamic`: as `torch.amp.GradScaler` does it,
 * 65536 at first, doubled after 2000 steps without an overflow, and halved at each. A number stays as it is.
 */
export type LossScale = 'dynamic' | number;

/** Above 0, and at most this. */
export const MOST_LOSS_SCALE = 2 ** 24;

/** @throws ERR_INVALID_ARGUMENT for a number out of range, or another word */
export function checkLossScale(given: unknown): LossScale {
  if (given === 'dynamic') return given;
  if (typeof given !== 'string') return requireNumber(given, 'lossScale', { exclusiveMin: 0, max: MOST_LOSS_SCALE });
  throw invalidArgument(`lossScale must be a number or 'dynamic', not ${JSON.stringify(given)}.`);
}

/**
 * The loss scale of a run or a session.
 *
 * @param given what the options say
 * @returns null where losses are not scaled: in any precision but fp16
 * @throws ERR_INVALID_ARGUMENT for a number out of range, another word, or a scale without fp16
 */
export function lossScaleOf(given: unknown, precision: PrecisionName): LossScale | null {
  if (given === undefined) return precision === 'fp16' ? 'dynamic' : null;
  const scale = checkLossScale(given);
  if (precision === 'fp16') return scale;
  throw invalidArgument(
    `A loss scale (lossScale, --loss-scale) is for precision 'fp16', and this is '${precision}'. Leave it out, or take ` +
      "precision 'fp16' (--precision fp16), which needs a CUDA device.",
  );
}

/** As native sessions take it. */
export function nativeLossScale(scale: LossScale | null): { readonly lossScale?: number } {
  return typeof scale === 'number' ? { lossScale: scale } : {};
}
