import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ArgumentsCamelCase, CommandModule } from 'yargs';
import { ResnetTorchError } from '../../errors.js';

interface SetupArguments {
  readonly device: 'cpu' | 'cuda';
}

export const setupCommand: CommandModule<object, SetupArguments> = {
  command: 'setup',
  describe: 'Get libtorch and build the native part',
  builder: (cli) =>
    cli
      .options({
        device: {
          type: 'string',
          choices: ['cpu', 'cuda'] as const,
          default: 'cpu' as const,
          description: 'The variant of libtorch to set up',
        },
      })
      .example('$0 setup', 'libtorch for the CPU; a second run has nothing to do and ends at once')
      .example('RESNET_TORCH_LIBTORCH=/opt/libtorch $0 setup', 'with a libtorch that is there already')
      .epilogue('docs/setup.md lists where libtorch is looked for, and what a compiler needs.'),
  handler: setup,
};

async function setup(args: ArgumentsCamelCase<SetupArguments>): Promise<void> {
  const script = fileURLToPath(new URL('../../../../scripts/setup.mjs', import.meta.url));
  // Ctrl-C reaches the child too, which cleans up; this process waits for it.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  const child = spawn(process.execPath, [script, '--device', args.device], { stdio: 'inherit' });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  process.off('SIGINT', ignore);
  if (code !== 0) {
    throw new ResnetTorchError(
      'ERR_SETUP',
      `Set-up ended with ${signal ?? `code ${code}`}; what it printed above says why.`,
    );
  }
}
