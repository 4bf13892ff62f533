/** Builds addons/<variant>/build/Release/resnet_torch.node with cmake-js. */

import { existsSync, realpathSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { findToolkit } from './cuda-toolkit.mjs';
import { isCheckout } from './dependencies.mjs';
import { SetupError } from './errors.mjs';
import { seconds, step } from './output.mjs';
import { pinnedLibtorch } from './pins.mjs';
import { run, tail, tryRun } from './run.mjs';
import { dropStamp, hashInputs, isCurrent, writeStamp } from './stamp.mjs';
import { jpegPrefix, requireToolchain } from './toolchain.mjs';

/** A compiler takes about so much for a file that includes ATen. */
const bytesPerJob = 2e9;

/**
 * @param {string} root
 * @param {import('./pins.mjs').Variant} variant
 * @param {import('./libtorch.mjs').Libtorch} libtorch
 * @param {{ jobs?: number | undefined, force?: boolean }} options
 */
export async function buildNative(root, variant, libtorch, { jobs = defaultJobs(), force = false }) {
  const build = join(root, 'addons', variant, 'build');
  const addon = join(build, 'Release', 'resnet_torch.node');
  const stamp = join(build, '.setup-stamp');
  const hash = inputsOf(root, variant, libtorch);
  if (!force && existsSync(addon) && isCurrent(stamp, hash)) {
    step('native', 'built already');
    return;
  }
  if (!force && (await prebuiltServes(root, variant, libtorch))) {
    step('native', 'the prebuilt addon of the package fits: nothing to build');
    return;
  }
  await requireToolchain(variant);
  const start = Date.now();
  step(
    'native',
    `building with ${jobs === 1 ? 'one job' : `${jobs} jobs`} at a time; the first build takes some minutes`,
  );
  await dropStamp(stamp);
  if (force) await rm(build, { recursive: true, force: true });
  await configure(root, variant, build, libtorch);
  await run('The native build', process.execPath, [...cmakeJs(root, 'build', build), '-p', String(jobs)], {
    cwd: root,
    show: true,
  });
  await requireLoadable(addon);
  await writeStamp(stamp, hash);
  // In a clone they make the next build a short one; an installed package is built once.
  if (!isCheckout(root)) await dropIntermediates(build);
  step('native', `built in ${seconds(Date.now() - start)}: ${addon}`);
}

/** Leaves the addon and its stamp, of some 380 MB. @param {string} build */
export async function dropIntermediates(build) {
  for (const name of await readdir(build)) {
    if (name !== 'Release' && name !== '.setup-stamp') await rm(join(build, name), { recursive: true, force: true });
  }
}

/**
 * A build folder that was made for another place or generator cannot be configured again: it is made anew then.
 *
 * @param {string} root
 * @param {string} variant
 * @param {string} build
 * @param {import('./libtorch.mjs').Libtorch} libtorch
 */
async function configure(root, variant, build, libtorch) {
  const args = [...cmakeJs(root, 'configure', build), ...definitions(root, variant, libtorch)];
  if (existsSync(join(build, 'CMakeCache.txt'))) {
    const { code } = await tryRun(process.execPath, args, { cwd: root });
    if (code === 0) return;
    await rm(build, { recursive: true, force: true });
  }
  await run('Configuring the native build', process.execPath, args, { cwd: root });
}

/**
 * What CMake is told.
 *
 * @param {string} root
 * @param {string} variant
 * @param {Pick<import('./libtorch.mjs').Libtorch, 'folder'>} libtorch
 */
export function definitions(root, variant, libtorch) {
  const values = [
    `RESNET_TORCH_VARIANT=${variant}`,
    `RESNET_TORCH_LIBTORCH=${libtorch.folder}`,
    // Whoever works on the sources is stopped by a warning; whoever installs the package is not.
    `RESNET_TORCH_WARNINGS_AS_ERRORS=${isCheckout(root) ? 'ON' : 'OFF'}`,
  ];
  if (variant === 'cuda') values.push(`CMAKE_CUDA_COMPILER=${join(findToolkit() ?? '', 'bin', 'nvcc')}`);
  const prefix = jpegPrefix();
  if (prefix !== null) values.push(`CMAKE_PREFIX_PATH=${prefix}`);
  return values.map((value) => `--CD${value}`);
}

/** @param {string} root @param {string} command @param {string} build */
function cmakeJs(root, command, build) {
  const require = createRequire(join(root, 'package.json'));
  const tool = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  return [tool, command, '--directory', root, '--out', build, '--config', 'Release'];
}

/** As many as the cores, and as the free memory, allow; at least one. */
function defaultJobs() {
  const memory = Math.min(freemem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / bytesPerJob)));
}

/**
 * @param {string} root
 * @param {string} variant
 * @param {import('./libtorch.mjs').Libtorch} libtorch
 */
function inputsOf(root, variant, libtorch) {
  const require = createRequire(join(root, 'package.json'));
  const versions = ['cmake-js', 'node-addon-api'].map((name) => require(`${name}/package.json`).version);
  return hashInputs(
    root,
    ['CMakeLists.txt', 'native'],
    [variant, libtorch.version, realpathSync(libtorch.folder), process.arch, ...versions],
  );
}

/**
 * An installed package may hold an addon that was built against the pinned libtorch elsewhere.
 *
 * @param {string} root
 * @param {import('./pins.mjs').Variant} variant
 * @param {import('./libtorch.mjs').Libtorch} libtorch
 */
async function prebuiltServes(root, variant, libtorch) {
  if (isCheckout(root) || libtorch.version !== pinnedLibtorch[variant]) return false;
  const folder = join(root, 'addons', variant);
  if (existsSync(join(folder, 'build', 'Release'))) return false;
  const loader = createRequire(join(root, 'package.json'))('node-gyp-build');
  try {
    return (await load(loader.path(folder))).code === 0;
  } catch {
    return false;
  }
}

/** @param {string} addon */
async function requireLoadable(addon) {
  const { code, output } = await load(addon);
  if (code !== 0) throw new SetupError(`The addon was built, but does not load:\n${tail(output, 12)}`);
}

/** In a process of its own: what goes wrong there cannot end the set-up. @param {string} addon */
function load(addon) {
  return tryRun(process.execPath, ['--input-type=commonjs', '--eval', `require(${JSON.stringify(addon)})`]);
}
