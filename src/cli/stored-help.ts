import { readFileSync } from 'node:fs';

/** Columns that help is wrapped to where there are as many. */
export const HELP_WIDTH = 100;

/**
 * What `resnet-torch --help` prints, as the build has stored it beside this file: making it anew takes longer than Node
 * itself takes to start. Null for any other command line, where the terminal is narrower, and where nothing is stored.
 */
export function storedHelp(args: readonly string[]): string | null {
  const [first] = args;
  if (args.length !== 1 || (first !== '--help' && first !== '-h')) return null;
  if ((process.stdout.columns ?? HELP_WIDTH) < HELP_WIDTH) return null;
  try {
    return readFileSync(new URL('help.txt', import.meta.url), 'utf8');
  } catch {
    return null;
  }
}
