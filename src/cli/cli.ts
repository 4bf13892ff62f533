import { showPath } from '../data/path-bytes.js';
import { loadAhead } from '../native/load-ahead.js';
import { argumentsFromBytes } from './argument-bytes.js';
import { COMPLETION_FLAG } from './completion-flag.js';
import { outputWasLost, watchReaders } from './readers.js';
import { storedHelp } from './stored-help.js';

/** Commands that compute as soon as they have read their options; `serve` first says how threads are to wait. */
const COMPUTING: ReadonlySet<string | undefined> = new Set(['train', 'eval', 'predict', 'export', 'inspect']);

/** Runs one command line (without `node` and the script) and answers the exit code: 0, 1 failure, 2 usage, 128 and more signals. */
export async function main(given: readonly string[]): Promise<number> {
  const args = argumentsFromBytes(given);
  watchReaders();
  try {
    if (args[0] === COMPLETION_FLAG) return await (await import('./complete.js')).printCompletions(args);
    const help = storedHelp(args);
    if (COMPUTING.has(args[0]) && !args.includes('--help') && !args.includes('-h')) loadAhead();
    if (help === null) await (await import('./parser.js')).parser(args).parseAsync();
    else process.stdout.write(help);
    return outputWasLost() ? 1 : 0;
  } catch (error) {
    const { describeFailure, exitCodeOf } = await import('./failure.js');
    const text = describeFailure(error);
    if (text !== '') process.stderr.write(`${showPath(text)}\n`);
    return exitCodeOf(error);
  }
}
