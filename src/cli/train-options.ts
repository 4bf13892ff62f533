import { OPTION_ROWS, type OptionName } from '../training/option-values.js';
import { type FlagArguments, hasFlag } from './flags.js';

/** The options of `train`, in the order of `--help`. */
export const TRAIN_FLAGS: readonly OptionName[] = OPTION_ROWS.flatMap(([name]) => (hasFlag(name) ? [name] : []));

/** What `train` was told. */
export type TrainArguments = FlagArguments<OptionName> & { readonly data: string };
