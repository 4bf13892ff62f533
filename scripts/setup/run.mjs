import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { SetupError } from './errors.mjs';

/**
 * Runs a program to its end and answers its output. With `show`, output goes to standard error as it comes and is kept
 * as well; standard output of a set-up stays free for the program that called it.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, input?: string }} [options]
 * @returns {Promise<{ code: number | null, output: string }>} code is null where a signal ended it or it did not start
 */
export async function tryRun(program, args, { cwd, env = process.env, show = false, input } = {}) {
  const child = spawn(program, args, { cwd, env, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      output += text;
      if (show) process.stderr.write(text);
    });
  }
  if (input !== undefined) {
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  }
  const stop = () => child.kill();
  process.once('exit', stop);
  try {
    const [code] = await once(child, 'close');
    return { code, output };
  } catch (error) {
    return { code: null, output: error instanceof Error ? error.message : String(error) };
  } finally {
    process.off('exit', stop);
  }
}

/**
 * As tryRun, but a program that fails is an error that carries the end of its output.
 *
 * @param {string} what the work in words, for the message
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Parameters<typeof tryRun>[2]} [options]
 */
export async function run(what, program, args, options) {
  const { code, output } = await tryRun(program, args, options);
  if (code === 0) return output;
  const shown = options?.show ? '; see its output above' : `:\n${tail(output)}`;
  throw new SetupError(`${what} failed (${program} ended with ${code === null ? 'a signal' : `code ${code}`})${shown}`);
}

/** @param {string} output */
export function tail(output, lines = 30) {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}
