import yargs, { type Argv, type CommandModule } from 'yargs';
import { packageVersion } from '../version.js';
import { cacheCommand } from './commands/cache.js';
import { evalCommand } from './commands/eval.js';
import { exportCommand } from './commands/export.js';
import { inspectCommand } from './commands/inspect.js';
import { predictCommand } from './commands/predict.js';
import { setupCommand } from './commands/setup.js';
import { trainCommand } from './commands/train.js';
import { describeFailure, exitCodeOf, usageError } from './failure.js';

/** Runs one command line (without `node` and the script) and answers the exit code: 0, 1 failure, 2 usage, 130 Ctrl-C. */
export async function main(args: readonly string[]): Promise<number> {
  process.stdout.on('error', endQuietly);
  try {
    await parser(args).parseAsync();
    return 0;
  } catch (error) {
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

const COMMANDS: CommandModule[] = [
  trainCommand,
  evalCommand,
  predictCommand,
  exportCommand,
  inspectCommand,
  cacheCommand,
  setupCommand,
] as CommandModule[];

/** Of an option that is given twice the last one counts; only the images of `predict` are many. */
function takeLast(args: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(args)) {
    if (Array.isArray(value) && name !== '_' && name !== 'images') args[name] = value.at(-1);
  }
}

function usageOf({ command }: CommandModule): string {
  return String(command);
}

function parser(args: readonly string[]): Argv {
  const cli: Argv = yargs([...args])
    .scriptName('resnet-torch')
    .usage('$0 COMMAND [options]\n\nFine-tune a ResNet-50 on a folder of images, and use what was trained.')
    .command(COMMANDS)
    .demandCommand(
      1,
      'Name a command: train, eval, predict, export, inspect, cache or setup. `resnet-torch --help` lists them.',
    )
    .strict()
    .locale('en')
    .version(packageVersion())
    .alias({ help: 'h', version: 'v' })
    .epilogue('Exit codes: 0 done, 1 failure, 2 wrong usage, 130 stopped by Ctrl-C.')
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    // Numbers stay text until `number()` reads them: the parser takes a second 1 for one more, and 2024 may be a folder.
    .parserConfiguration({ 'greedy-arrays': false, 'parse-numbers': false, 'parse-positional-numbers': false })
    .middleware(takeLast, true)
    .exitProcess(false)
    .fail((message, error) => {
      throw error === undefined || error?.name === 'YError'
        ? usageError(message, args, COMMANDS.map(usageOf), cli)
        : error;
    });
  return cli;
}
