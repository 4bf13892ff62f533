import type { Options } from 'yargs';
import { number } from '../option-text.js';
import type { OptionGroup, OptionRow } from '../training/option-row.js';
import { OPTIONS } from '../training/option-table.js';
import { type NamesIn, OPTION_ROWS, type OptionName, type OptionValue } from '../training/option-values.js';
import type { TrainOptions } from '../training/options.js';

/** Headings of `--help`. */
export const GROUPS: Readonly<Record<Exclude<OptionGroup, null>, string>> = {
  run: 'The run:',
  plan: 'What trains, and how fast:',
  images: 'Images:',
  machine: 'Machine:',
};

/** What the flags of some options hold once parsed. */
export type FlagArguments<Name extends OptionName> = {
  readonly [N in Name]?: (N extends keyof TrainOptions ? TrainOptions[N] : OptionValue<N>) | undefined;
};

/** `batchSize` → `batch-size`. */
export function flagOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Whether the command line has an option. */
export function hasFlag(name: OptionName): boolean {
  return (OPTIONS[name] as OptionRow).noFlag === undefined;
}

/** The rows of a group that the command line has. */
export function flagsIn<Group extends OptionGroup>(group: Group): readonly NamesIn<Group>[] {
  return OPTION_ROWS.flatMap(([name, row]) => (row.group === group && hasFlag(name) ? [name as NamesIn<Group>] : []));
}

/**
 * Options of the table for the parser. None has a default here: what is not given is left to the strategy or to the library,
 * so that a default has one home; descriptions name it.
 *
 * @param otherwise what holds where an option is not given, for a command where that is another thing than in training
 */
export function flags(
  names: readonly OptionName[],
  otherwise: Readonly<Partial<Record<OptionName, string>>> = {},
): Readonly<Record<string, Options>> {
  return Object.fromEntries(
    names.map((name) => [flagOf(name), yargsOption(flagOf(name), OPTIONS[name], otherwise[name])]),
  );
}

function yargsOption(flag: string, row: OptionRow, otherwise: string | undefined): Options {
  const { type, group, conflicts, implies } = row;
  return {
    ...(group === null ? {} : { group: GROUPS[group] }),
    ...(type.kind === 'switch' ? {} : { requiresArg: true }),
    ...(conflicts === undefined ? {} : { conflicts: conflicts.map(flagOf) }),
    ...(implies === undefined ? {} : { implies: flagOf(implies) }),
    description: describeFlag(row, otherwise),
    ...parsing(flag, row),
  };
}

function parsing(flag: string, { type }: OptionRow): Options {
  switch (type.kind) {
    case 'number':
      return { coerce: number(flag, type.range) };
    case 'switch':
      return { type: 'boolean' };
    case 'choice':
      return { type: 'string', choices: type.choices ?? [] };
    default:
      return { type: 'string', coerce: type.read ?? ((given: string) => type.check(given, `--${flag}`)) };
  }
}

/** What `--help` says: what it does, what holds otherwise, and of a number what it may be. */
function describeFlag(row: OptionRow, otherwise: string | undefined): string {
  const { help, type } = row;
  return `${help}${describeDefault(otherwise ?? defaultOf(row))}${type.kind === 'number' ? `  [${type.takes}]` : ''}`;
}

function describeDefault(words: string | undefined): string {
  if (words === undefined) return '';
  return words.includes(' ') ? `; default: ${words}` : `; default ${words}`;
}

/** What holds where an option is not given. A switch that is off says it by being one. */
function defaultOf({ default: value, otherwise }: OptionRow): string | undefined {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : otherwise;
}
