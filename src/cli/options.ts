import type { Options } from 'yargs';
import type { NumberReader } from '../option-text.js';
import { OPTIONS } from '../training/option-table.js';
import type { OptionName } from '../training/option-values.js';
import { type FlagArguments, flags } from './flags.js';

/** The options, whose descriptions say of each number what it may be. */
export function withRanges<T extends Readonly<Record<string, Options>>>(options: T): T {
  const entries = Object.entries(options).map(([name, option]) => {
    const { takes } = (option.coerce ?? {}) as Partial<NumberReader>;
    return [name, takes === undefined ? option : { ...option, description: `${option.description}  [${takes}]` }];
  });
  return Object.fromEntries(entries) as T;
}

/** The argument of the commands that use a model. */
export const modelArgument = {
  type: 'string',
  demandOption: true,
  description: 'A run directory, a checkpoint or a weights file',
} as const;

export const jsonOption = {
  json: { type: 'boolean', description: OPTIONS.json.help },
} as const satisfies Record<string, Options>;

export const classesOption = {
  classes: {
    type: 'string',
    requiresArg: true,
    description: "File with the names of a weights file's outputs, one a line, in their order",
  },
} as const satisfies Record<string, Options>;

const INFERENCE_OPTIONS = [
  'imageSize',
  'resize',
  'skipCorrupt',
  'batchSize',
  'device',
  'precision',
  'workers',
  'threads',
] as const satisfies readonly OptionName[];

/** The options of commands that show images to a model: what is made of an image, and how it is computed. */
export const inferenceOptions = {
  ...classesOption,
  ...flags(INFERENCE_OPTIONS, { imageSize: "the model's own", resize: "the model's own" }),
};

/** What they hold once parsed. */
export interface InferenceArguments extends FlagArguments<(typeof INFERENCE_OPTIONS)[number]> {
  readonly classes?: string | undefined;
}
