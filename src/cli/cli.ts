import { loadAhead } from '../native/load-ahead.js';
import { storedHelp } from './stored-help.js';

/** Commands that compute as soon as they have read their options; `serve` first says how threads are to wait. */
const COMPUTING: ReadonlySet<string | undefined> = new Set(['train', 'eval', 'predict', 'export', 'inspect']);

/** Runs one command line (without `node` and the script) and answers the exit code: 0, 1 failure, 2 usage, 130 Ctrl-C. */
export async function main(args: readonly string[]): Promise<number> {
  process.stdout.on('error', endQuietly);
  try {
    const help = storedHelp(args);
    if (COMPUTING.has(args[0]) && !args.includes('--help') && !args.includes('-h')) loadAhead();
    if (help === null) await (await import('./parser.js')).parser(args).parseAsync();
    else process.stdout.write(help);
    return 0;
  } catch (error) {
    const { describeFailure, exitCodeOf } = await import('./failure.js');
    const text = describeFailure(error);
    if (text !== '') process.stderr.write(`${text}\n`);
    return exitCodeOf(error);
  } finally {
    process.stdout.off('error', endQuietly);
  }
}

/** A reader that has seen enough (`… | head`) is no failure. */
function endQuietly(error: NodeJS.ErrnoException): never {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
}
