#!/usr/bin/env node
/**
 * `npm run build:cuda`: gets the CUDA libtorch, compiles and links the CUDA variant of the addon with nvcc, and holds it
 * against the CPU variant: it loads, says which devices there are, and computes the same. Needs no GPU and no driver.
 * Without nvcc it says so and exits with 3.
 */

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { architectures, findToolkit } from './setup/cuda-toolkit.mjs';
import { SetupError } from './setup/errors.mjs';
import { megabytes, say, seconds, step } from './setup/output.mjs';
import { run } from './setup/run.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Of the largest logit: two versions of libtorch may sum up in another order. */
const tolerance = 1e-5;

/**
 * @typedef {{ variant: string, libtorch: string, devices: number, device: string, logits: number[],
 *   cuda: { runtime: number, driver: number, errorText: string, cudnn: number } | null }} Answer
 */

/** @param {readonly string[]} args */
async function setup(args) {
  await run('The set-up', process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], { cwd: root, show: true });
}

/** @param {'cpu' | 'cuda'} variant @returns {Promise<Answer>} */
async function ask(variant) {
  const env = { ...process.env, RESNET_TORCH_VARIANT: variant };
  const output = await run(
    `Loading the ${variant} variant`,
    process.execPath,
    [join(root, 'scripts/cuda/forward.mjs')],
    {
      cwd: root,
      env,
    },
  );
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

/** The largest difference, as a share of the largest value. @param {readonly number[]} a @param {readonly number[]} b */
function difference(a, b) {
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...b.map((value, i) => Math.abs(value - (a[i] ?? Number.NaN)))) / largest;
}

async function compare() {
  const cpu = await ask('cpu');
  const cuda = await ask('cuda');
  if (cuda.variant !== 'cuda' || cuda.cuda === null)
    throw new SetupError('The addon that was loaded is not the CUDA variant.');
  const { cuda: status, devices } = cuda;
  const why = status.errorText === '' ? '' : ` (${status.errorText})`;
  const { cudaVersion, cudnnVersion } = await import('../dist/src/native/cuda.js');
  const versions = `libtorch ${cuda.libtorch}, CUDA ${cudaVersion(status.runtime)}, cuDNN ${cudnnVersion(status.cudnn)}`;
  step('cuda', `loads ${versions}; devices: ${devices}${why}`);
  const far = difference(cuda.logits, cpu.logits);
  const place = `on ${cuda.device}, against libtorch ${cpu.libtorch} on the CPU`;
  if (!(far <= tolerance)) throw new SetupError(`Its logits ${place} differ by ${far}; ${tolerance} is allowed.`);
  step('cuda', `logits ${place} differ by ${far.toExponential(1)} of the largest`);
}

const toolkit = findToolkit();
if (toolkit === null) {
  say('No nvcc: the CUDA variant was not built. Install the CUDA toolkit, or name it by CUDA_HOME.');
  process.exit(3);
}
try {
  const start = Date.now();
  await setup([]);
  await setup(['--native', '--device', 'cuda']);
  const addon = join(root, 'addons', 'cuda', 'build', 'Release', 'resnet_torch.node');
  step('cuda', `${megabytes(statSync(addon).size)}, kernels for sm_${architectures.join(', sm_')}`);
  await compare();
  step('cuda', `built and compared in ${seconds(Date.now() - start)}`);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
