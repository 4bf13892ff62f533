/** What lies in a folder that is said to be a libtorch. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './errors.mjs';

/** @typedef {import('./pins.mjs').Variant} Variant */

const versionHeaders = [
  'include/torch/headeronly/version.h',
  'include/torch/csrc/api/include/torch/version.h',
  'include/torch/version.h',
];

/** @param {string} name */
const libraryName = (name) => (process.platform === 'darwin' ? `lib${name}.dylib` : `lib${name}.so`);

/**
 * Checks a libtorch and reads its version.
 *
 * @param {string} folder
 * @param {Variant} variant
 * @returns {string} such as `2.13.0`
 */
export function inspectLibtorch(folder, variant) {
  if (!existsSync(folder)) throw new SetupError(`${folder} is not there`);
  for (const file of ['include/ATen/ATen.h', `lib/${libraryName('torch_cpu')}`, `lib/${libraryName('c10')}`]) {
    if (!existsSync(join(folder, file))) throw new SetupError(`${folder} is no libtorch: it has no ${file}`);
  }
  const version = readVersion(folder);
  const hasCuda = existsSync(join(folder, 'lib', libraryName('torch_cuda')));
  if (variant === 'cuda' && !hasCuda) throw new SetupError(`${folder} is a build for the CPU alone`);
  if (variant === 'cpu' && hasCuda) throw new SetupError(`${folder} is a CUDA build: it goes with --device cuda`);
  return version;
}

/** @param {string} folder */
function readVersion(folder) {
  for (const header of versionHeaders) {
    const path = join(folder, header);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, 'utf8');
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
      (part) => text.match(new RegExp(`#define\\s+TORCH_VERSION_${part}\\s+(\\d+)`))?.[1],
    );
    if (!parts.includes(undefined)) return parts.join('.');
  }
  throw new SetupError(`${folder} does not say its version: no ${versionHeaders[0]} with TORCH_VERSION_MAJOR`);
}

/** The folder itself, or the one that a freshly unpacked archive has inside it. @param {string} folder */
export function libtorchWithin(folder) {
  const inner = ['', 'libtorch', 'torch'].map((name) => join(folder, name));
  return inner.find((candidate) => existsSync(join(candidate, 'include/ATen/ATen.h'))) ?? folder;
}
