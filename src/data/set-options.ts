import { requireBoolean, requireNumber, requireOneOf } from '../options.js';
import { MOST_SEED, MOST_WORKERS } from './batches.js';

/** Options that a data set takes, wherever its images come from. */
interface SetOptions {
  readonly valSplit?: number;
  readonly seed?: number;
  readonly skipCorrupt?: boolean;
  readonly purpose?: 'train' | 'evaluate';
  readonly workers?: number;
}

export interface SetSettings {
  readonly valSplit: number;
  readonly seed: number;
  readonly skipCorrupt: boolean;
  readonly forTraining: boolean;
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` */
export function resolveSetOptions(options: SetOptions): SetSettings {
  const settings = {
    valSplit: requireNumber(options.valSplit ?? 0.2, 'valSplit', { min: 0, max: 0.9 }),
    seed: requireNumber(options.seed ?? 0, 'seed', { integer: true, min: 0, max: MOST_SEED }),
    skipCorrupt: requireBoolean(options.skipCorrupt ?? false, 'skipCorrupt'),
    forTraining: requireOneOf(options.purpose ?? 'train', 'purpose', ['train', 'evaluate']) === 'train',
  };
  if (options.workers !== undefined) {
    requireNumber(options.workers, 'workers', { integer: true, min: 1, max: MOST_WORKERS });
  }
  return settings;
}
