import type { Argv } from 'yargs';
import { ResnetTorchError } from '../errors.js';
import { nearest } from '../options.js';
import { Interrupted } from './interrupt.js';

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** 2 for wrong usage, 130 (or 128 + the signal) when interrupted, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof UsageError) return 2;
  return error instanceof ResnetTorchError && error.code === 'ERR_INVALID_ARGUMENT' ? 2 : 1;
}

/** One message for people. Only what nobody foresaw shows its stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof Interrupted) return error.message;
  if (error instanceof UsageError) return `resnet-torch: ${error.message}`;
  if (error instanceof ResnetTorchError) return `resnet-torch: ${error.message} (${error.code})`;
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `resnet-torch: this is a fault of resnet-torch itself; \`resnet-torch inspect\` prints what a report needs.\n${detail}`;
}

/**
 * Turns what yargs says into a message that names the option as typed and the nearest one there is.
 *
 * @param usages of the commands, such as `eval <model> <data>`
 */
export function usageError(message: string, args: readonly string[], usages: readonly string[], cli: Argv): UsageError {
  const unknown = /^Unknown (?:arguments?|commands?): (.+)$/s.exec(message)?.[1];
  if (unknown !== undefined) return new UsageError(describeUnknown(unknown.split(', '), args, usages.map(nameOf), cli));
  const lacking = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  if (lacking !== undefined) return new UsageError(`${flag(lacking)} needs a value.`);
  const missing = /^Not enough non-option arguments: got (\d+), need at least (\d+)$/.exec(message);
  if (missing !== null) {
    const usage = usages.find((text) => args.includes(nameOf(text))) ?? 'COMMAND';
    return new UsageError(`${missing[1]} of ${missing[2]} arguments given. Usage: resnet-torch ${usage}`);
  }
  const needed = /^Missing required argument: (\S+)/.exec(message)?.[1];
  if (needed !== undefined)
    return new UsageError(`${flag(needed)} is missing. Add --help to the command for its values.`);
  const both = /^Arguments (.+) and (.+) are mutually exclusive$/.exec(message);
  if (both !== null)
    return new UsageError(`${flag(both[1] ?? '')} and ${flag(both[2] ?? '')} exclude each other; give one of them.`);
  const lone = /^Missing dependent arguments:\s+(\S+) -> (\S+)/.exec(message);
  if (lone !== null) return new UsageError(`${flag(lone[1] ?? '')} needs ${flag(lone[2] ?? '')}.`);
  const choice = /Argument: (.+), Given: (.+), Choices: (.+)/.exec(message);
  if (choice !== null) {
    const given = (choice[2] ?? '').replaceAll('"', '');
    const known = (choice[3] ?? '').replaceAll('"', '').split(', ');
    const near = nearest(given, known);
    return new UsageError(
      `${flag(choice[1] ?? '')} cannot be ${JSON.stringify(given)}: it takes ${known.join(', ')}.${near ? ` Did you mean ${near}?` : ''}`,
    );
  }
  return new UsageError(message);
}

/** What commands of commands have. */
const PARTS: Readonly<Record<string, string>> = { cache: 'list and clear' };

function nameOf(usage: string): string {
  return usage.split(' ')[0] ?? usage;
}

function describeUnknown(
  unknown: readonly string[],
  args: readonly string[],
  commands: readonly string[],
  cli: Argv,
): string {
  const typed = unknown.find((name) => args.some((arg) => optionName(arg) === name)) ?? unknown[0] ?? '';
  if (!args.some((arg) => optionName(arg) === typed)) {
    if (!commands.includes(args[0] ?? '')) {
      const near = nearest(typed, commands);
      return `There is no command ${JSON.stringify(typed)}.${near ? ` Did you mean ${near}?` : ''} There are ${commands.join(', ')}.`;
    }
    const parts = PARTS[args[0] ?? ''];
    if (parts !== undefined && args[1] === typed) return `${args[0]} has no ${JSON.stringify(typed)}. It has ${parts}.`;
    return `The argument ${JSON.stringify(typed)} is one too many. Quote names with spaces.`;
  }
  const known = cli.parsed === false ? [] : Object.keys(cli.parsed.aliases);
  const options = known.filter((name) => name.length > 1 && !/[A-Z]/.test(name) && !unknown.includes(name));
  const near = nearest(typed, options);
  return `There is no option ${flag(typed)}.${near ? ` Did you mean ${flag(near)}?` : ''} Add --help to the command for all of them.`;
}

function optionName(arg: string): string | undefined {
  return /^--?(?:no-)?([^=]+)/.exec(arg)?.[1];
}

function flag(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
