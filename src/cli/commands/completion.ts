import { basename } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { COMPLETION_FLAG } from '../completion-flag.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
const SCRIPT = 'resnet-torch';

interface CompletionArguments {
  readonly shell?: (typeof SHELLS)[number] | undefined;
}

export const completionCommand: CommandModule<object, CompletionArguments> = {
  command: 'completion [shell]',
  describe: 'Print what makes a shell complete commands and options',
  builder: (cli) =>
    cli
      .positional('shell', { type: 'string', choices: SHELLS, description: 'Default: by $SHELL, else bash' })
      .example('$0 completion bash >> ~/.bashrc', 'for good, in bash')
      .example('$0 completion zsh >> ~/.zshrc', 'for good, in zsh')
      .example('source <($0 completion bash)', 'for this shell alone')
      .epilogue(
        'The command must be on the PATH as resnet-torch: npm install --global resnet-torch.',
      ) as Argv<CompletionArguments>,
  handler: async ({ shell }) => void process.stdout.write(await completionScript(shell ?? ownShell())),
};

function ownShell(): (typeof SHELLS)[number] {
  const own = basename(process.env.SHELL ?? '');
  return SHELLS.find((name) => name === own) ?? 'bash';
}

/** The parser looks for a shell's name in $SHELL alone, now and when it is asked: the script gives it there. */
async function completionScript(shell: string): Promise<string> {
  const { default: yargs } = await import('yargs');
  const { SHELL } = process.env;
  const { log } = console;
  const printed: string[] = [];
  process.env.SHELL = shell;
  console.log = (text: string) => printed.push(text);
  try {
    yargs().scriptName(SCRIPT).showCompletionScript();
  } finally {
    console.log = log;
    if (SHELL === undefined) delete process.env.SHELL;
    else process.env.SHELL = SHELL;
  }
  const asks = `${SCRIPT} ${COMPLETION_FLAG}`;
  return `${printed.join('\n')}\n`.replaceAll(asks, `env SHELL=${shell} ${asks}`);
}
