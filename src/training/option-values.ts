import { checkOptions } from '../options.js';
import type { OptionPart, OptionRow, OptionType, ResumeRule } from './option-row.js';
import { OPTIONS } from './option-table.js';
import type { TrainOptions } from './options.js';

type Rows = typeof OPTIONS;

/** The name of a row. */
export type OptionName = keyof Rows;

/** What an option's value is. */
export type OptionValue<Name extends OptionName> = Rows[Name] extends { readonly type: OptionType<infer T> }
  ? T
  : never;

/** The names of the rows of some parts. */
export type NamesOf<Part extends OptionPart> = {
  [Name in OptionName]: Rows[Name]['part'] extends Part ? Name : never;
}[OptionName];

/** The names of the rows in a group of `--help`. */
export type NamesIn<Group extends OptionRow['group']> = {
  [Name in OptionName]: Rows[Name]['group'] extends Group ? Name : never;
}[OptionName];

/** Checked values of some options; `undefined` where an option was not given and has no default. */
export type OptionValues<Name extends OptionName> = {
  readonly [N in Name]: Rows[N] extends { readonly default: unknown } ? OptionValue<N> : OptionValue<N> | undefined;
};

/** All rows, in the order of `--help`. */
export const OPTION_ROWS = Object.entries(OPTIONS) as readonly (readonly [OptionName, OptionRow])[];

/** The rows of some parts, by name. */
export function namesOf<Part extends OptionPart>(...parts: readonly Part[]): readonly NamesOf<Part>[] {
  return OPTION_ROWS.flatMap(([name, row]) =>
    (parts as readonly OptionPart[]).includes(row.part) ? [name as NamesOf<Part>] : [],
  );
}

/** Options of `train()`. */
export const TRAIN_OPTION_NAMES = namesOf(
  'base',
  'strategy',
  'loss',
  'settings',
  'conditions',
) satisfies readonly (keyof TrainOptions)[];

/**
 * Values as they were given, or their defaults, each checked by its row.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option that is wrong
 */
export function checkedValues<Name extends OptionName>(
  given: { readonly [N in Name]?: unknown },
  names: readonly Name[],
): OptionValues<Name> {
  const values = names.map((name) => {
    const row: OptionRow = OPTIONS[name];
    const value = given[name] ?? row.default ?? given[name];
    return [name, value === undefined ? undefined : row.type.check(value, name)];
  });
  return Object.fromEntries(values) as OptionValues<Name>;
}

/** The entries of some names that have a value. */
export function pick<Given extends object, Name extends keyof Given>(
  given: Given,
  names: readonly Name[],
): { [N in Name]?: Exclude<Given[N], undefined> } {
  return Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]))) as {
    [N in Name]?: Exclude<Given[N], undefined>;
  };
}

/** Names whose rows say this of a continued run. */
export function namesByResume(...rules: readonly ResumeRule[]): readonly OptionName[] {
  return OPTION_ROWS.flatMap(([name, { resume }]) => (rules.includes(resume) ? [name] : []));
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the unknown option and the nearest known one */
export function checkTrainOptions(options: unknown): void {
  checkOptions(options, TRAIN_OPTION_NAMES, 'train()');
}
