import { describeRange } from '../option-text.js';
import { type NumberRange, requireBoolean, requireNumber, requireOneOf } from '../options.js';

/** What an option takes: how its value is checked, and how it is written on the command line. */
export interface OptionType<T> {
  /** On the command line: a number, one of a few words, a switch, or a text; `code` can be said in TypeScript alone. */
  readonly kind: 'number' | 'choice' | 'switch' | 'text' | 'code';
  /** What the documentation says that it takes. */
  readonly takes: string;
  /** Of a number. */
  readonly range?: NumberRange;
  /** The words of a choice. */
  readonly choices?: readonly string[];
  /** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option */
  check(value: unknown, name: string): T;
  /** Of a text that is no value yet. What is wrong with it is said in the words of the command line. */
  read?(given: string | number): T;
}

/** Where an option is written in `--help` and in the documentation; `null`: with `--help` itself. */
export type OptionGroup = 'run' | 'plan' | 'images' | 'machine' | null;

/**
 * What an option changes.
 *
 * - `base`: the strategy that the others change. `strategy`: a part of it.
 * - `loss`: the loss, or a part of it.
 * - `settings`: what `config.json` has under its name.
 * - `conditions`: how the run is made, which changes no weight and is written nowhere.
 * - `freeze`: another way to say `freeze` on the command line, where it is no option of `train()`.
 * - `model`, `data`, `command`: an option of `ResNet.create()`, of `openDataset()`, or of the command alone.
 */
export type OptionPart =
  | 'base'
  | 'strategy'
  | 'loss'
  | 'settings'
  | 'conditions'
  | 'freeze'
  | 'model'
  | 'data'
  | 'command';

/**
 * Whether it may be given with `resume`. `kept`: no, it is the run's own. `same`: if it is what the run has. `free`: it may differ. `excluded`: the two
 * contradict each other. `data`: as `kept` in `train()`; the command `train` takes it to open the same data again.
 */
export type ResumeRule = 'kept' | 'same' | 'free' | 'excluded' | 'data';

/** All that is known of an option. */
export interface OptionRow<T = unknown> {
  readonly type: OptionType<T>;
  readonly group: OptionGroup;
  readonly part: OptionPart;
  readonly resume: ResumeRule;
  /** What it does, for people; no full stop. */
  readonly help: string;
  /** Its value where it is not given. */
  readonly default?: T;
  /** What holds where it is not given, in words, where that is no fixed value. */
  readonly otherwise?: string;
  /** Of an option that the command line does not have: why. */
  readonly noFlag?: string;
  /** Of a part of the schedule: its name there. */
  readonly schedulePart?: string;
  /** Of a part of the loss: its name there. */
  readonly lossPart?: string;
  /** Whether it is a part of the augmentation, which calls it the same. */
  readonly isAugmentPart?: boolean;
  /** Options that exclude it on the command line, said once of two. */
  readonly conflicts?: readonly string[];
  /** An option that it needs. */
  readonly implies?: string;
}

/** A whole number in a range. */
export function whole(range: { readonly min?: number; readonly max?: number }): OptionType<number> {
  return number({ ...range, integer: true });
}

/** A number in a range. */
export function number(range: NumberRange): OptionType<number> {
  return {
    kind: 'number',
    takes: describeRange(range),
    range,
    check: (value, name) => requireNumber(value, name, range),
  };
}

/** A number in a range, or in TypeScript a value of another kind. */
export function numberOr<T>(range: NumberRange, or: string, check: OptionType<T>['check']): OptionType<T> {
  return { kind: 'number', takes: `${describeRange(range)}; ${or}`, range, check };
}

/** One of a few words. */
export function choice<T extends string>(choices: readonly T[]): OptionType<T> {
  return {
    kind: 'choice',
    takes: choices.join(', '),
    choices,
    check: (value, name) => requireOneOf(value, name, choices),
  };
}

/** One of a few words, or in TypeScript a value of another kind. */
export function choiceOr<T>(choices: readonly string[], or: string, check: OptionType<T>['check']): OptionType<T> {
  return { kind: 'choice', takes: `${choices.join(', ')}; ${or}`, choices, check };
}

/** True or false. */
export const onOff: OptionType<boolean> = { kind: 'switch', takes: 'true or false', check: requireBoolean };

/** What the command line writes as a text, and TypeScript as the value that is read from it. */
export function text<T>(
  takes: string,
  check: OptionType<T>['check'],
  read?: NonNullable<OptionType<T>['read']>,
): OptionType<T> {
  return { kind: 'text', takes, check, ...(read === undefined ? {} : { read }) };
}

/** What the command line alone has, as a text. */
export function written<T>(takes: string, read: NonNullable<OptionType<T>['read']>): OptionType<T> {
  return { kind: 'text', takes, check: (value) => read(String(value)), read };
}

/** What TypeScript alone can say. */
export function code<T>(takes: string, check: OptionType<T>['check']): OptionType<T> {
  return { kind: 'code', takes, check };
}
