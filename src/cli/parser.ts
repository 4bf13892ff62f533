import yargs, { type Argv, type CommandModule } from 'yargs';
import { packageVersion } from '../version.js';
import { cacheCommand } from './commands/cache.js';
import { completionCommand } from './commands/completion.js';
import { doctorCommand } from './commands/doctor.js';
import { evalCommand } from './commands/eval.js';
import { exportCommand } from './commands/export.js';
import { inspectCommand } from './commands/inspect.js';
import { predictCommand } from './commands/predict.js';
import { reportCommand } from './commands/report.js';
import { serveCommand } from './commands/serve.js';
import { setupCommand } from './commands/setup.js';
import { trainCommand } from './commands/train.js';
import { usageError } from './failure.js';
import { HELP_WIDTH } from './stored-help.js';

const COMMANDS: CommandModule[] = [
  trainCommand,
  evalCommand,
  reportCommand,
  predictCommand,
  serveCommand,
  exportCommand,
  inspectCommand,
  cacheCommand,
  doctorCommand,
  setupCommand,
  completionCommand,
] as CommandModule[];

/** What a command takes many of. */
const MANY: Readonly<Record<string, readonly string[]>> = {
  predict: ['images'],
  report: ['runs'],
  serve: ['runs', 'model', 'cors', 'allowedHosts', 'allowed-hosts'],
};

/** Of an option that is given twice the last one counts, but for those that are many. */
function takeLast(args: Record<string, unknown>): void {
  const many = MANY[String((args._ as readonly unknown[])[0])] ?? [];
  for (const [name, value] of Object.entries(args)) {
    if (Array.isArray(value) && name !== '_' && !many.includes(name)) args[name] = value.at(-1);
  }
}

function usageOf({ command }: CommandModule): string {
  return String(command);
}

/** The commands and all their options; parsing runs the one that is named. */
export function parser(args: readonly string[]): Argv {
  const cli: Argv = yargs([...args])
    .scriptName('resnet-torch')
    .usage('$0 COMMAND [options]\n\nFine-tune a ResNet on a folder of images, and use what was trained.')
    .command(COMMANDS)
    .demandCommand(
      1,
      'Name a command: train, eval, report, predict, serve, export, inspect, cache, doctor, setup or completion. `resnet-torch --help` lists them.',
    )
    .strict()
    .locale('en')
    .version(packageVersion())
    .alias({ help: 'h', version: 'v' })
    .epilogue('Exit codes: 0 done, 1 failure, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.')
    .wrap(Math.min(HELP_WIDTH, process.stdout.columns ?? HELP_WIDTH))
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
