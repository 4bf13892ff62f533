/** libtorch from a Python wheel: `torch/lib` and `torch/include` in it are a complete libtorch, whatever the Python. */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HashMismatch, hashFile } from './download.mjs';
import { SetupError } from './errors.mjs';
import { byteProgress, say, warn } from './output.mjs';
import { pinnedWheels, pipIndex, wheelRequirement, wheelTarget } from './pins.mjs';
import { pythonWithPip } from './python.mjs';
import { tail, tryRun } from './run.mjs';
import { unzip } from './unzip.mjs';
import { listZip } from './zip-directory.mjs';

/** Fails soon where an index does not answer, and goes on with those that do. */
const pipOptions = [
  '--retries',
  '0',
  '--timeout',
  '15',
  '--disable-pip-version-check',
  '--no-input',
  '--only-binary',
  ':all:',
];

/**
 * @param {import('./pins.mjs').Variant} variant
 * @param {string} folder gets `torch/`, and `nvidia/` beside it for CUDA
 * @param {{ allowUnverified: boolean }} options
 */
export async function fetchWheel(variant, folder, { allowUnverified }) {
  const pinned = pinnedWheels(variant);
  if (pinned === null && !allowUnverified) {
    throw new SetupError(
      `no SHA-256 of a wheel for ${process.platform}-${process.arch} is recorded; --allow-unverified takes one without`,
    );
  }
  const python = await pythonWithPip();
  if (python === null) throw new SetupError('there is no python3 with pip (RESNET_TORCH_PYTHON names another)');
  const wheels = join(folder, 'wheels');
  await mkdir(wheels, { recursive: true });
  if (pinned === null) await fetchUnverified(python, variant, folder, wheels);
  else await fetchPinned(python, variant, pinned, folder, wheels);
  await rm(wheels, { recursive: true });
}

/**
 * @param {string} python
 * @param {import('./pins.mjs').Variant} variant
 * @param {import('./pins.mjs').PinnedWheels} pinned
 * @param {string} folder
 * @param {string} wheels
 */
async function fetchPinned(python, variant, { file, hashes }, folder, wheels) {
  const flags = ['--no-deps', '--require-hashes', ...wheelTarget, '--requirement', file];
  await pipDownload(python, variant, flags, wheels);
  const brought = await wheelsIn(wheels);
  if (brought.length !== hashes.size) {
    throw new SetupError(`pip brought ${brought.length} of the ${hashes.size} wheels that ${file} lists`);
  }
  for (const wheel of brought) {
    // pip has looked too; what RESNET_TORCH_PYTHON names need not be it.
    const hash = await hashFile(wheel);
    if (!hashes.has(hash)) throw new HashMismatch(basename(wheel), hash, `one of those in ${file}`);
    await extract(wheel, folder, basename(wheel).startsWith('torch-') ? placeTorch : placeNvidia);
  }
}

/**
 * What pip brings is taken as it is.
 *
 * @param {string} python
 * @param {import('./pins.mjs').Variant} variant
 * @param {string} folder
 * @param {string} wheels
 */
async function fetchUnverified(python, variant, folder, wheels) {
  warn('The wheel is taken without a known SHA-256, as --allow-unverified says: it is native code of unproven origin.');
  await pipDownload(python, variant, ['--no-deps', wheelRequirement(variant)], wheels);
  const [wheel] = await wheelsIn(wheels);
  if (wheel === undefined) throw new SetupError('pip brought no wheel');
  const requirements = variant === 'cuda' ? await nvidiaRequirements(wheel, folder) : [];
  await extract(wheel, folder, placeTorch);
  if (requirements.length > 0) {
    await pipDownload(python, variant, requirements, wheels);
    // The libraries look for each other at $ORIGIN/../../nvidia, so beside the real torch folder.
    for (const part of await wheelsIn(wheels)) await extract(part, folder, placeNvidia);
  }
}

/** Where a file of torch's wheel goes, or null for what serves Python alone. @param {string} name */
export function placeTorch(name) {
  return /^torch\/(include|lib|share)\//.test(name) && !/\/libtorch_python\./.test(name) ? name : null;
}

/**
 * Where a file of an NVIDIA wheel goes: headers and shared libraries, without what is there for static linking, for several
 * devices behind one solver, and for profilers (some 300 MB).
 *
 * @param {string} name
 */
export function placeNvidia(name) {
  if (/^nvidia\/[^/]+\/include\//.test(name)) return name;
  const isLibrary = /^nvidia\/[^/]+\/lib\/[^/]+\.so(\.\d+)*$/.test(name);
  return isLibrary && !/\/lib(cusolverMg\.|nvperf_|checkpoint\.|pcsampling|nvrtc(-builtins)?\.alt\.)/.test(name)
    ? name
    : null;
}

/**
 * @param {string} python
 * @param {import('./pins.mjs').Variant} variant
 * @param {readonly string[]} what
 * @param {string} folder
 */
async function pipDownload(python, variant, what, folder) {
  const args = [
    '-m',
    'pip',
    'download',
    ...pipOptions,
    '--extra-index-url',
    pipIndex[variant],
    '--dest',
    folder,
    ...what,
  ];
  say(`             ${python} -m pip download ${what.join(' ')}`);
  const { code, output } = await tryRun(python, args, { show: process.stderr.isTTY === true });
  if (code !== 0)
    throw new SetupError(`pip could not bring ${what.at(-1)}:\n${tail(output, 6).replace(/^/gm, '    ')}`);
}

/** @param {string} folder */
async function wheelsIn(folder) {
  return (await readdir(folder)).filter((name) => name.endsWith('.whl')).map((name) => join(folder, name));
}

/**
 * Extracts and removes a wheel: a CUDA set takes gigabytes, twice over otherwise.
 *
 * @param {string} wheel
 * @param {string} folder
 * @param {(name: string) => string | null} place
 */
async function extract(wheel, folder, place) {
  const total = (await listZip(wheel)).reduce((sum, member) => sum + member.compressedSize, 0);
  const progress = byteProgress(`             unpack ${basename(wheel).split('-')[0]}`, total);
  await unzip(wheel, folder, place, (bytes) => progress.add(bytes));
  progress.end();
  await rm(wheel);
}

/**
 * The NVIDIA libraries that a CUDA wheel asks for, as pip understands them. Its Python packages are of no use here.
 *
 * @param {string} wheel
 * @param {string} folder for the metadata file
 */
async function nvidiaRequirements(wheel, folder) {
  const file = join(folder, 'METADATA');
  await unzip(wheel, folder, (name) => (/^torch-[^/]*\.dist-info\/METADATA$/.test(name) ? 'METADATA' : null));
  const metadata = await readFile(file, 'utf8');
  await rm(file);
  return [...metadata.matchAll(/^Requires-Dist: ((?:nvidia-|cuda-toolkit).*?)(?:;.*)?$/gm)].map((match) =>
    String(match[1]).trim(),
  );
}
