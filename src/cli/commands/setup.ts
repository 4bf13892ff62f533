import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { ResnetTorchError } from '../../errors.js';
import { number } from '../../option-text.js';
import { Interrupted } from '../interrupt.js';
import { withRanges } from '../options.js';

const options = {
  device: {
    type: 'string',
    requiresArg: true,
    choices: ['cpu', 'cuda'] as const,
    description: 'The variant of libtorch, and of the addon built against it; default cpu',
  },
  'libtorch-url': {
    type: 'string',
    requiresArg: true,
    description: "Where to download libtorch from in place of PyTorch's host: a base address, or that of one .zip",
  },
  sha256: {
    type: 'string',
    requiresArg: true,
    description: 'SHA-256 that the archive of libtorch must have, 64 hexadecimal digits',
  },
  'allow-unverified': { type: 'boolean', description: 'Take an archive or a wheel whose SHA-256 is not known' },
  'allow-http': { type: 'boolean', description: 'Let --libtorch-url be an address of http' },
  'libtorch-only': { type: 'boolean', description: 'Get libtorch and stop' },
  jobs: {
    requiresArg: true,
    description: 'Compilers at a time; default: by cores and free memory',
    coerce: number('jobs', { integer: true, min: 1 }),
  },
  force: { type: 'boolean', description: 'Build anew what is built already' },
} as const;

type SetupArguments = InferredOptionTypes<typeof options>;

export const setupCommand: CommandModule<object, SetupArguments> = {
  command: 'setup',
  describe: 'Get libtorch and build the native part',
  builder: (cli) =>
    cli
      .options(withRanges(options))
      .example('$0 setup', 'libtorch for the CPU; a second run has nothing to do and ends at once')
      .example('$0 setup --device cuda', 'the CUDA variant beside it: 2.7 GB to download, and nvcc to build it')
      .example('RESNET_TORCH_LIBTORCH=/opt/libtorch $0 setup', 'with a libtorch that is there already')
      .epilogue('docs/setup.md says where libtorch is looked for, and what the build needs.') as Argv<SetupArguments>,
  handler: setup,
};

/** The set-up runs before anything is built, so it is a script of its own; this hands it the options. */
async function setup(args: ArgumentsCamelCase<SetupArguments>): Promise<void> {
  const script = fileURLToPath(new URL('../../../../scripts/setup.mjs', import.meta.url));
  const flags = [
    ...(args.device === undefined ? [] : ['--device', args.device]),
    ...(args.libtorchUrl === undefined ? [] : ['--libtorch-url', args.libtorchUrl]),
    ...(args.sha256 === undefined ? [] : ['--sha256', args.sha256]),
    ...(args.allowUnverified === true ? ['--allow-unverified'] : []),
    ...(args.allowHttp === true ? ['--allow-http'] : []),
    ...(args.libtorchOnly === true ? ['--libtorch-only'] : []),
    ...(args.jobs === undefined ? [] : ['--jobs', String(args.jobs)]),
    ...(args.force === true ? ['--force'] : []),
  ];
  // Ctrl-C reaches the child too, which cleans up; this process waits for it.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  const child = spawn(process.execPath, [script, ...flags], { stdio: 'inherit' });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  process.off('SIGINT', ignore);
  if (code === 130 || signal === 'SIGINT') throw new Interrupted('SIGINT');
  if (code !== 0) {
    throw new ResnetTorchError(
      'ERR_SETUP',
      `Set-up ended with ${signal ?? `code ${code}`}; what it printed above says why.`,
    );
  }
}
