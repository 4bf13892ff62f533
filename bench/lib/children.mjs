/** Child processes: started in groups of their own, timed, their memory watched, and none left behind. */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/** @param {import('node:child_process').ChildProcess} child @param {NodeJS.Signals} signal */
function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, signal);
  } catch {
    // It has ended.
  }
}

/** Stops every child with its own children; those that do not listen are killed. */
export function stopChildren() {
  for (const child of running) signalGroup(child, 'SIGTERM');
  setTimeout(() => {
    for (const child of running) signalGroup(child, 'SIGKILL');
  }, 3000).unref();
}

process.on('exit', () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
});

/**
 * @typedef {object} Finished
 * @property {number | null} code
 * @property {boolean} stopped because it took longer than it may
 * @property {string} stdout
 * @property {string} stderr
 * @property {number} seconds from the start to the end of the process
 * @property {number | null} peakBytes memory of the process and its children at its highest; null where it cannot be told
 */

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, watchMemory?: boolean, show?: boolean, limitSeconds?: number, signal?: AbortSignal }} [options] `limitSeconds`: it is stopped
 *   after so long, with all that it started
 * @returns {Promise<Finished>}
 */
export async function runChild(program, args, options = {}) {
  const { cwd, env = {}, watchMemory = false, show = false, limitSeconds, signal } = options;
  signal?.throwIfAborted();
  const start = process.hrtime.bigint();
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  });
  running.add(child);
  const watch = watchMemory && child.pid !== undefined ? watchTree(child.pid) : null;
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    stderr += text;
    if (show) process.stderr.write(text);
  });
  /** @type {bigint | undefined} */
  let end;
  /** @type {number | null} */
  let code = null;
  let stopped = false;
  const stop = () => {
    stopped = true;
    signalGroup(child, 'SIGKILL');
  };
  const timer = limitSeconds === undefined ? undefined : setTimeout(stop, 1000 * limitSeconds);
  try {
    await new Promise((resolve) => {
      child.on('exit', () => {
        end = process.hrtime.bigint();
        watch?.stop();
      });
      child.on('error', (error) => {
        stderr += error.message;
        resolve(undefined);
      });
      child.on('close', (status) => {
        code = status;
        resolve(undefined);
      });
    });
  } finally {
    clearTimeout(timer);
    watch?.stop();
    running.delete(child);
  }
  signal?.throwIfAborted();
  const seconds = Number((end ?? process.hrtime.bigint()) - start) / 1e9;
  return { code, stopped, stdout, stderr, seconds, peakBytes: watch === null ? null : watch.peak() };
}

/**
 * Starts a program that goes on, and waits for the JSON that it prints when it is ready.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, signal: AbortSignal }} options
 * @returns {Promise<{ said: Record<string, unknown>, stop: () => Promise<void> }>}
 */
export async function startChild(program, args, { cwd, signal }) {
  signal.throwIfAborted();
  const child = spawn(program, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  });
  running.add(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    stderr += text;
  });
  /** @type {Promise<void>} */
  const closed = new Promise((resolve) => {
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  }).then(() => void running.delete(child));
  let stdout = '';
  /** @type {Promise<Record<string, unknown>>} */
  const ready = new Promise((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      stdout += text;
      if (stdout.includes('\n')) resolve(lastJson(stdout));
    });
  });
  const said = await Promise.race([ready, closed]);
  signal.throwIfAborted();
  if (said === undefined) throw new Error(`${program} ${args.join(' ')} ended before it was ready: ${stderr}`);
  return {
    said,
    stop: () => {
      signalGroup(child, 'SIGTERM');
      return closed;
    },
  };
}

/**
 * The memory of a process and its children, on Linux. The resident sizes are summed every 100 ms; where their sum rises,
 * and every two seconds, the kernel is asked for proportional sizes, in which a page that several processes share counts
 * once. That question is dear in a large process, so it is not asked each time. The highest sum of proportional sizes is
 * the answer, for every program alike.
 *
 * @param {number} root
 */
function watchTree(root) {
  let peak = 0;
  let highest = 0;
  let asked = 0;
  let looked = 0;
  let tree = [root];
  const look = () => {
    const now = Date.now();
    if (now - looked >= 1000 || looked === 0) {
      tree = descendants(root);
      looked = now;
    }
    const resident = tree.reduce((sum, pid) => sum + residentPages(pid), 0);
    if (resident <= highest * 1.01 && now - asked < 2000) return;
    highest = Math.max(highest, resident);
    asked = now;
    peak = Math.max(
      peak,
      tree.reduce((sum, pid) => sum + proportionalBytes(pid), 0),
    );
  };
  const timer = process.platform === 'linux' ? setInterval(look, 100) : undefined;
  return {
    stop: () => clearInterval(timer),
    /** @returns {number | null} */
    peak: () => (peak > 0 ? peak : null),
  };
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @param {number} pid */
function residentPages(pid) {
  return Number(read(`/proc/${pid}/statm`).split(' ')[1] ?? 0);
}

/** @param {number} pid */
function proportionalBytes(pid) {
  return 1024 * Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

/** @param {number} root @returns {number[]} the process and all below it */
function descendants(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    // The name in parentheses may hold anything; the parent is the second field after it.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** The last line of an output that is a JSON object. @param {string} text */
export function lastJson(text) {
  const line = text
    .trimEnd()
    .split('\n')
    .reverse()
    .find((candidate) => candidate.startsWith('{'));
  if (line === undefined) throw new Error('It printed no result.');
  return JSON.parse(line);
}
