/** Builds the addon with plain cmake: the set-up of a clone would download libtorch. */

import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { findToolkit } from '../setup/cuda-toolkit.mjs';
import { root } from './places.mjs';
import { runCommand } from './run-command.mjs';

/** @typedef {import('./steps.mjs').Here} Here */
/** @typedef {import('./steps.mjs').Came} Came */

/** A compiler takes about so much for a file that includes ATen. */
const bytesPerJob = 2e9;
const oldestMinor = 11;

/** @param {string} variant */
export const buildFolder = (variant) => join(root, 'addons', variant, 'build');
/** @param {string} variant */
export const addonOf = (variant) => join(buildFolder(variant), 'Release', 'resnet_torch.node');

/** The usual places, those with a version in their names too. */
function toolkit() {
  const versions = existsSync('/usr/local')
    ? readdirSync('/usr/local')
        .filter((name) => name.startsWith('cuda-'))
        .sort()
    : [];
  const others = versions.reverse().map((name) => findToolkit({ CUDA_HOME: join('/usr/local', name), PATH: '' }));
  return findToolkit() ?? others.find((place) => place !== null) ?? null;
}

/** @param {string} variant @param {string} libtorch */
function linkLibtorch(variant, libtorch) {
  const place = join(root, 'vendor', `libtorch-${variant}`);
  rmSync(place, { force: true, recursive: true });
  mkdirSync(join(root, 'vendor'), { recursive: true });
  symlinkSync(libtorch, place);
  return place;
}

/** Of the devices here; without one, those of the kernels' own list, which takes minutes more. @param {Here} here */
function architecturesOf({ options, facts }) {
  const found = /** @type {{ capability: number[] }[]} */ (facts.pytorch.devices).map(({ capability }) =>
    capability.join(''),
  );
  return options.architectures ?? [...new Set(found)];
}

/** @param {Here} here @returns {Promise<Came>} */
export async function configure(here) {
  const { facts, log, seconds } = here;
  const { version, folder, cuda } = facts.pytorch;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== 2 || minor < oldestMinor)
    return {
      status: 'failed',
      note: `PyTorch ${version} is not among those that this builds against: 2.${oldestMinor} or newer`,
    };
  const variant = facts.variant;
  const out = buildFolder(variant);
  const ninja = (await runCommand('ninja', ['--version'], { cwd: root, seconds, log })).code === 0;
  const jpeg = join(root, 'vendor', 'jpeg');
  const args = [
    ...['-S', root, '-B', out, '-G', ninja ? 'Ninja' : 'Unix Makefiles', '-DCMAKE_BUILD_TYPE=Release'],
    `-DRESNET_TORCH_VARIANT=${variant}`,
    `-DRESNET_TORCH_LIBTORCH=${linkLibtorch(variant, folder)}`,
    `-DJPEG_INCLUDE_DIR=${join(jpeg, 'include')}`,
    `-DJPEG_LIBRARY=${join(jpeg, 'lib', 'libjpeg.so.62')}`,
    // From <variant>/build/Release to vendor/.
    '-DRESNET_TORCH_MORE_RPATH=$ORIGIN/../../../../vendor/jpeg/lib',
  ];
  let note = `${variant} variant, ${ninja ? 'Ninja' : 'Make'}`;
  if (variant === 'cuda') {
    const place = toolkit();
    if (place === null)
      return {
        status: 'failed',
        note: `PyTorch has CUDA ${cuda}, and there is no nvcc: name its toolkit by CUDA_HOME`,
      };
    process.env.CUDA_HOME = place;
    facts.toolkit = place;
    args.push(`-DCMAKE_CUDA_COMPILER=${join(place, 'bin', 'nvcc')}`);
    const architectures = architecturesOf(here);
    if (architectures.length > 0) args.push(`-DRESNET_TORCH_CUDA_ARCHITECTURES=${architectures.join(';')}`);
    note += `, for ${architectures.length > 0 ? `sm_${architectures.join(', sm_')}` : 'all devices'}`;
  }
  // What was configured for another place or generator cannot be configured again.
  let ended = await runCommand('cmake', args, { cwd: root, seconds, log });
  if (ended.code !== 0 && !ended.stopped && existsSync(join(out, 'CMakeCache.txt'))) {
    rmSync(out, { recursive: true, force: true });
    ended = await runCommand('cmake', args, { cwd: root, seconds, log });
  }
  return cameOf(ended, note);
}

/** @param {Here} here @returns {Promise<Came>} */
export async function build({ options, facts, log, seconds }) {
  const jobs = options.jobs ?? Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / bytesPerJob)));
  const args = ['--build', buildFolder(facts.variant), '--parallel', String(jobs)];
  const ended = await runCommand('cmake', args, { cwd: root, seconds, log });
  if (ended.code !== 0) return cameOf(ended, `with ${jobs} jobs`);
  const addon = addonOf(facts.variant);
  const start = join(root, 'resnet-torch');
  writeFileSync(start, startScript, { mode: 0o755 });
  facts.command = start;
  return { status: 'ok', rc: 0, note: `${(statSync(addon).size / 1e6).toFixed(1)} MB, with ${jobs} jobs` };
}

/** The command line, for those who go on with what was built. */
const startScript = `#!/usr/bin/env bash
here=$(cd "$(dirname "\${BASH_SOURCE[0]}")" && pwd)
exec "$here/node/bin/node" "$here/bin/resnet-torch.js" "$@"
`;

/** @param {import('./run-command.mjs').Ended} ended @param {string} note @returns {Came} */
export function cameOf({ code, stopped, output }, note) {
  if (stopped) return { status: 'stopped', rc: null, note: `took too long; ${note}` };
  if (code === 0) return { status: 'ok', rc: 0, note };
  const last = output
    .trimEnd()
    .split('\n')
    .filter((text) => /error|not found|no such/i.test(text))
    .at(0);
  return { status: 'failed', rc: code, note: (last ?? output.trimEnd().split('\n').at(-1) ?? '').slice(0, 300) };
}
