/** What there is on the machine: facts for the summary, and the PyTorch to build against. */

import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './run-command.mjs';

/** @typedef {import('./steps.mjs').Here} Here */
/** @typedef {import('./steps.mjs').Came} Came */

const folder = dirname(fileURLToPath(import.meta.url));

/** @param {Here} here @returns {Promise<Came>} */
export async function lookAround({ facts, log, seconds }) {
  const gigabytes = (/** @type {number} */ bytes) => `${(bytes / 1e9).toFixed(0)} GB`;
  facts.processor = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`;
  facts.memory = `${gigabytes(freemem())} of ${gigabytes(totalmem())} free`;
  facts.kernel = release();
  const look = async (/** @type {string} */ program, /** @type {readonly string[]} */ args) => {
    const { code, stdout } = await runCommand(program, args, { cwd: folder, seconds: seconds / 8, log });
    return code === 0 ? (stdout.trim().split('\n')[0] ?? '') : 'none';
  };
  facts.compiler = await look(process.env.CXX ?? 'c++', ['--version']);
  facts.cmake = await look('cmake', ['--version']);
  facts.ninja = await look('ninja', ['--version']);
  const query = ['--query-gpu=name,compute_cap,driver_version,memory.total', '--format=csv,noheader'];
  facts.gpu = await look('nvidia-smi', query);
  return { status: 'ok', note: facts.gpu === 'none' ? 'nvidia-smi shows no GPU' : facts.gpu };
}

/** Where Pythons with PyTorch usually are. @param {string | undefined} named */
function candidates(named) {
  if (named !== undefined) return [named];
  const own = process.env.RESNET_TORCH_PYTHON;
  const below = (/** @type {string} */ place) =>
    existsSync(place)
      ? readdirSync(place).flatMap((name) => ['bin', '.venv/bin'].map((bin) => join(place, name, bin, 'python3')))
      : [];
  const places = [...below('/opt'), '/opt/.venv/bin/python3'].filter((file) => existsSync(file));
  return [...(own === undefined || own === '' ? [] : [own]), 'python3', 'python', ...places];
}

/** The first Python whose PyTorch sees a GPU, else the first that has one. @param {Here} here @returns {Promise<Came>} */
export async function findPytorch({ options, facts, log, seconds }) {
  const end = Date.now() + 1000 * seconds;
  /** @type {any} */
  let found;
  let problem = '';
  for (const python of candidates(options.python)) {
    const left = (end - Date.now()) / 1000;
    if (left < 1) break;
    const script = join(folder, 'find_pytorch.py');
    const { code, stopped, stdout, output } = await runCommand(python, [script], { cwd: folder, seconds: left, log });
    if (stopped) return { status: 'stopped', note: `${python} did not answer` };
    if (code !== 0) {
      problem ||= `${python}: ${output.trim().split('\n').at(-1)}`;
      continue;
    }
    const answer = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    found ??= answer;
    if (answer.devices.length > 0) {
      found = answer;
      break;
    }
  }
  if (found === undefined)
    return { status: 'failed', note: `no Python here has PyTorch (${problem}): name one by --python` };
  facts.pytorch = found;
  facts.variant = found.cuda === null ? 'cpu' : 'cuda';
  // What a Python environment brings, as cmake and ninja, is found; what the system has goes before it.
  process.env.PATH = `${process.env.PATH}${delimiter}${dirname(found.python)}`;
  const card = found.devices[0]?.name ?? 'no GPU';
  const cuda = found.cuda === null ? 'for the CPU alone' : `CUDA ${found.cuda}`;
  return { status: 'ok', rc: 0, note: `PyTorch ${found.version}, ${cuda}, Python ${found.pythonVersion}; ${card}` };
}
