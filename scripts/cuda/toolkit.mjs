import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/**
 * The CUDA toolkit's folder, which holds bin/nvcc and include/: what CUDA_HOME or CUDA_PATH names, that of the nvcc on
 * the path, or /usr/local/cuda.
 *
 * @returns {string | null}
 */
export function findToolkit(env = process.env) {
  const onPath = (env.PATH ?? '').split(delimiter).filter((folder) => existsSync(join(folder, 'nvcc')));
  const named = [env.CUDA_HOME, env.CUDA_PATH].filter((folder) => folder !== undefined && folder !== '');
  const candidates = [...named, ...onPath.map(dirname), '/usr/local/cuda'];
  return candidates.find((folder) => existsSync(join(/** @type {string} */ (folder), 'bin', 'nvcc'))) ?? null;
}

/** The architectures that the CUDA libtorch is built for. */
export const architectures = ['75', '80', '86', '90', '100', '120'];

/** What nvcc is given for every kernel, beside the architecture. */
export const compileFlags = ['-std=c++20', '--Werror', 'all-warnings', '-Xcompiler', '-Wall,-Wextra'];
