/** Is it right, and how fast is it? */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cameOf } from './build.mjs';
import { root } from './places.mjs';
import { runCommand } from './run-command.mjs';

/** @typedef {import('./steps.mjs').Here} Here */
/** @typedef {import('./steps.mjs').Came} Came */

const noGpu = /no GPU: not run/;
/** Of the largest logit, in float32 without TF32. Before sm_90 cuDNN's first choice has larger roundings. */
const tolerance = 3e-5;
/** Left for a benchmark to write what it has, in seconds. */
const writing = 5;

/** @param {Here} here */
const hasGpu = ({ facts }) => facts.pytorch.devices.length > 0;

/** @param {readonly number[]} a @param {readonly number[]} b */
function difference(a, b) {
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...b.map((value, i) => Math.abs(value - (a[i] ?? Number.NaN)))) / largest;
}

/** @param {Here} here @returns {Promise<Came>} */
export async function compareForward(here) {
  const { facts, log, seconds } = here;
  const script = join(root, 'scripts', 'cuda', 'forward.mjs');
  const ask = async (/** @type {NodeJS.ProcessEnv} */ more) => {
    const env = { RESNET_TORCH_VARIANT: facts.variant, NVIDIA_TF32_OVERRIDE: '0', ...more };
    return runCommand(process.execPath, [script], { cwd: root, env, seconds: seconds / 2, log });
  };
  const first = await ask({});
  if (first.code !== 0) return cameOf(first, '');
  const here1 = JSON.parse(first.stdout.trim().split('\n').at(-1) ?? '');
  facts.libtorch = here1.libtorch;
  if (!hasGpu(here))
    return { status: 'no GPU', rc: 0, note: `loads libtorch ${here1.libtorch}, computes on ${here1.device}` };
  const second = await ask({ CUDA_VISIBLE_DEVICES: '' });
  if (second.code !== 0) return cameOf(second, '');
  const cpu = JSON.parse(second.stdout.trim().split('\n').at(-1) ?? '');
  const far = difference(here1.logits, cpu.logits);
  const note = `logits on ${here1.device} and ${cpu.device} differ by ${far.toExponential(1)} of the largest`;
  const right = far <= tolerance && here1.device !== 'cpu';
  return { status: right ? 'ok' : 'failed', rc: 0, note: right ? note : `${note}; ${tolerance} is allowed` };
}

/**
 * Where there is no GPU, the comparisons are computed on the CPU.
 *
 * @param {string} name of a file of test/gpu
 * @param {string} [pattern] of the tests' names
 * @returns {(here: Here) => Promise<Came>}
 */
export function gpuTests(name, pattern) {
  return async (here) => {
    const { facts, log, seconds } = here;
    const env = {
      OMP_WAIT_POLICY: 'passive',
      RESNET_TORCH_VARIANT: facts.variant,
      RESNET_TORCH_TEST_DEVICE: hasGpu(here) ? 'cuda' : 'cpu',
    };
    const only = pattern === undefined ? [] : [`--test-name-pattern=${pattern}`];
    const args = ['--test', '--test-reporter=spec', ...only, join(root, 'dist', 'test', 'gpu', `${name}.test.js`)];
    const ended = await runCommand(process.execPath, args, { cwd: root, env, seconds, log });
    const counts = [...ended.output.matchAll(/^\S+ (pass|fail|skipped) (\d+)$/gm)];
    const told = counts.map(([, what, count]) => `${count} ${what}`).join(', ');
    if (ended.code !== 0) return { ...cameOf(ended, told), note: told || cameOf(ended, '').note || '' };
    if (hasGpu(here)) return { status: 'ok', rc: 0, note: told };
    const some = Number(counts.find(([, what]) => what === 'pass')?.[2] ?? 0) > 0 && !noGpu.test(ended.output);
    return { status: some ? 'ok' : 'no GPU', rc: 0, note: some ? `${told}; no GPU: compared on the CPU` : told };
  };
}

/**
 * @param {string} rows of `npm run bench:gpu`
 * @param {{ precision: string, batch: string }} job
 * @returns {(here: Here) => Promise<Came>}
 */
export function bench(rows, { precision, batch }) {
  return async ({ options, facts, log, seconds }) => {
    const before = measured(options.out).length;
    const ended = await runCommand(
      process.execPath,
      [
        join(root, 'bench', 'gpu.mjs'),
        ...['--as-built', '--add', '--out', options.out, '--python', facts.pytorch.python],
        ...['--rows', rows, '--precision', precision, '--batch', batch, '--images', String(options.images)],
        ...['--row-seconds', String(Math.max(1, Math.floor(seconds - writing)))],
      ],
      { cwd: root, seconds, log },
    );
    const fresh = measured(options.out).slice(before);
    const told = fresh.map(({ what, notRun, imagesPerSecond }) =>
      notRun === null ? `${what}: ${imagesPerSecond.toFixed(0)} images/s` : `${what}: not run: ${notRun}`,
    );
    if (ended.code !== 0) return { ...cameOf(ended, told.join('; ')) };
    if (noGpu.test(ended.output)) return { status: 'no GPU', rc: 0, note: '' };
    const whole = fresh.length > 0 && fresh.every(({ notRun }) => notRun === null);
    return { status: whole ? 'ok' : 'failed', rc: 0, note: told.join('; ') };
  };
}

/** Rows that are written. @param {string} folder @returns {{ what: string, notRun: string | null, imagesPerSecond: number }[]} */
function measured(folder) {
  const file = join(folder, 'gpu.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).rows : [];
}
