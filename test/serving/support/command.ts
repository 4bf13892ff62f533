import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../../support/paths.js';

const WITH_PARENT = new URL('with-parent.js', import.meta.url).href;

export interface ServeProcess {
  readonly child: ChildProcess;
  /** What it printed when it was ready, and its address. */
  readonly said: string;
  readonly url: string;
  readonly port: number;
  stderr(): string;
  /** Resolves when standard error has said the words. */
  hears(words: RegExp): Promise<string>;
  /** Ends it, and answers its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** `resnet-torch serve` on a free port, in a process of its own that goes with the test, and with the process of the test. */
export async function startServe(
  t: { after(work: () => unknown): void },
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ServeProcess> {
  const program = ['--import', WITH_PARENT, join(projectRoot, 'bin/resnet-torch.js'), 'serve', '--port', '0'];
  const child = spawn(process.execPath, [...program, ...args], {
    env: { ...process.env, OMP_NUM_THREADS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  const { stdout, stderr: errors } = child;
  if (stdout === null || errors === null) throw new Error('It has no output.');
  errors.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let said = '';
  stdout.setEncoding('utf8');
  while (!said.includes('\n')) {
    const [text] = await Promise.race([once(stdout, 'data'), ended.then(() => [null])]);
    if (text === null) throw new Error(`It ended before it was ready: ${stderr}`);
    said += text;
  }
  const url = /http:\/\/[^\s"]+/.exec(said)?.[0] ?? '';
  return {
    child,
    said,
    url,
    port: Number(new URL(url).port),
    stderr: () => stderr,
    async hears(words) {
      while (!words.test(stderr)) {
        if ((await Promise.race([once(errors, 'data'), ended.then(() => 'ended')])) === 'ended') {
          throw new Error(`It ended, and said ${stderr}`);
        }
      }
      return stderr;
    },
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
