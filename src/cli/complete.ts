import { parser } from './parser.js';

/**
 * What may stand in the place of the last word: commands, options, and an option's values. Nothing where a file may stand,
 * since the shell knows those, and nothing for a line that is wrong so far, which is told of when it is run.
 *
 * @param args `--get-yargs-completions`, the program's name, and the words of the line
 */
export async function completionsOf(args: readonly string[]): Promise<readonly string[]> {
  const current = args.at(-1) ?? '';
  const found: string[] = [];
  // The parser prints what it finds, and by no other way than this.
  const { log } = console;
  console.log = (text: string) => found.push(text);
  try {
    await parser(args).parseAsync();
  } catch {
    return [];
  } finally {
    console.log = log;
  }
  return current.startsWith('-') ? found : found.filter((text) => !text.startsWith('-'));
}

/** Answers the exit code. */
export async function printCompletions(args: readonly string[]): Promise<number> {
  for (const text of await completionsOf(args)) process.stdout.write(`${text}\n`);
  return 0;
}
