import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { main } from '../../../src/cli/cli.js';
import { projectRoot } from '../../support/paths.js';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Default: that of the tests. */
  readonly cwd?: string;
  /** Called with everything that standard output and error have said so far, whenever either says more. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the real command line in a process of its own. */
export async function resnetTorch(args: readonly string[], o: CommandOptions = {}): Promise<CommandResult> {
  const child = spawn(process.execPath, [join(projectRoot, 'bin/resnet-torch.js'), ...args], {
    env: { ...process.env, ...o.env },
    cwd: o.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const said = (): void => o.onOutput?.(stdout + stderr, (signal) => child.kill(signal));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    said();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    said();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The JSON values of an output that holds one a line. */
export function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Runs the command line in this process, where many runs are to be quick; tells only what it says on standard error. */
export async function inProcess(
  t: TestContext,
  args: readonly string[],
): Promise<{ readonly code: number; readonly stderr: string }> {
  let stderr = '';
  const mock = t.mock.method(process.stderr, 'write', (text: string) => {
    stderr += text;
    return true;
  });
  try {
    const code = await main(args);
    return { code, stderr };
  } finally {
    mock.mock.restore();
  }
}
