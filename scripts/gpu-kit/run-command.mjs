/** Runs a program with all that it starts, for so long at most, its output going to the log as it comes. */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeSync } from 'node:fs';

/** Of a step's output, so much is kept to be looked at. The log has all of it. */
const keptCharacters = 1 << 20;
const graceSeconds = 5;

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;

/** @param {number} root @returns {number[]} the process and all below it, whatever groups they are in */
function tree(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended.
    }
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** @param {readonly number[]} processes @param {NodeJS.Signals} signal */
function signalAll(processes, signal) {
  for (const pid of processes) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }
}

/** Ends what is running, now. */
export function killRunning() {
  if (running?.pid !== undefined) signalAll(tree(running.pid), 'SIGKILL');
}

/**
 * @typedef {object} Ended
 * @property {number | null} code null where it was stopped, or could not be started
 * @property {boolean} stopped because its time was over
 * @property {string} output both kinds, the end of it
 * @property {string} stdout the end of it
 */

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, seconds: number, log: number }} options `log`: a file's descriptor
 * @returns {Promise<Ended>}
 */
export async function runCommand(program, args, { cwd, env = {}, seconds, log }) {
  writeSync(log, `$ ${[program, ...args].join(' ')}\n`);
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let [output, stdout, stopped] = ['', '', false];
  const keep = (/** @type {string} */ text) => text.slice(-keptCharacters);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      writeSync(log, text);
      output = keep(output + text);
      if (stream === child.stdout) stdout = keep(stdout + text);
    });
  }
  // First so that it can end what it started, then for good.
  /** @type {number[]} */
  let family = [];
  const timers = [
    setTimeout(() => {
      stopped = true;
      family = child.pid === undefined ? [] : tree(child.pid);
      if (child.pid !== undefined) signalAll([child.pid], 'SIGTERM');
    }, 1000 * seconds),
    setTimeout(() => signalAll(family, 'SIGKILL'), 1000 * (seconds + graceSeconds)),
  ];
  const code = await new Promise((done) => {
    child.on('error', (error) => {
      output += error.message;
      writeSync(log, `${error.message}\n`);
      done(null);
    });
    child.on('close', done);
  });
  for (const timer of timers) clearTimeout(timer);
  running = undefined;
  return { code: stopped ? null : code, stopped, output, stdout };
}
