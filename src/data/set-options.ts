import { checkOptions, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import type { Fold } from './folds.js';
import { MOST_SEED, MOST_WORKERS } from './limits.js';

/** Options that a data set takes, wherever its images come from. */
interface SetOptions {
  readonly valSplit?: number;
  readonly fold?: Fold;
  readonly seed?: number;
  readonly skipCorrupt?: boolean;
  readonly purpose?: 'train' | 'evaluate';
  readonly workers?: number;
}

export interface SetSettings {
  readonly valSplit: number;
  readonly fold: Fold | null;
  readonly seed: number;
  readonly skipCorrupt: boolean;
  readonly forTraining: boolean;
  /** Whether a share that is held back is to be measured on: in training, and where it was asked for. */
  readonly holdsBack: boolean;
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` */
export function resolveSetOptions(options: SetOptions): SetSettings {
  const forTraining = requireOneOf(options.purpose ?? 'train', 'purpose', ['train', 'evaluate']) === 'train';
  const settings = {
    valSplit: requireNumber(options.valSplit ?? 0.2, 'valSplit', { min: 0, max: 0.9 }),
    fold: options.fold === undefined ? null : checkFold(options.fold),
    seed: requireNumber(options.seed ?? 0, 'seed', { integer: true, min: 0, max: MOST_SEED }),
    skipCorrupt: requireBoolean(options.skipCorrupt ?? false, 'skipCorrupt'),
    forTraining,
    holdsBack: forTraining || options.valSplit !== undefined || options.fold !== undefined,
  };
  if (options.fold !== undefined && options.valSplit !== undefined) {
    throw invalidArgument('fold and valSplit exclude each other: a fold is the share that is held back.');
  }
  if (options.workers !== undefined) {
    requireNumber(options.workers, 'workers', { integer: true, min: 1, max: MOST_WORKERS });
  }
  return settings;
}

const MOST_FOLDS = 1000;

function checkFold(fold: Fold): Fold {
  checkOptions(fold, ['of', 'index'], 'fold');
  const of = requireNumber(fold.of, 'fold.of', { integer: true, min: 2, max: MOST_FOLDS });
  return { of, index: requireNumber(fold.index, 'fold.index', { integer: true, min: 0, max: of - 1 }) };
}
