import type { OptionRow } from './option-row.js';
import { IMAGES_OPTIONS } from './option-table/images.js';
import { MACHINE_OPTIONS } from './option-table/machine.js';
import { PLAN_OPTIONS } from './option-table/plan.js';
import { RUN_OPTIONS } from './option-table/run.js';
import type { TrainOptions } from './options.js';

/**
 * Every option of a training run, a row an option: of `train()` in TypeScript, and of the command `train`, which also makes
 * the model and opens the data. What is checked, the flags, `--help`, `config.json`, what a continued run may be told, and
 * docs/options.md come from here. A further option is a row of its group and a line in `TrainOptions`; the compiler asks for both.
 */
export const OPTIONS = {
  ...RUN_OPTIONS,
  ...PLAN_OPTIONS,
  ...IMAGES_OPTIONS,
  ...MACHINE_OPTIONS,
} as const satisfies Readonly<Record<string, OptionRow>> & {
  readonly [Name in keyof TrainOptions]-?: OptionRow<NonNullable<TrainOptions[Name]>>;
};
