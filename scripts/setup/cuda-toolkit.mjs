import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/**
 * The CUDA toolkit's folder, which holds bin/nvcc and include/: what CUDA_HOME or CUDA_PATH names, that of the nvcc on
 * the path, or /usr/local/cuda.
 *
 * @returns {string | null}
 */
export function findToolkit(env = process.env) {
  const onPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'nvcc'));
  const linked = onPath.filter((nvcc) => existsSync(nvcc)).map((nvcc) => dirname(dirname(realpathSync(nvcc))));
  const candidates = [env.CUDA_HOME ?? '', env.CUDA_PATH ?? '', ...linked, '/usr/local/cuda'];
  const whole = (/** @type {string} */ folder) =>
    existsSync(join(folder, 'bin', 'nvcc')) && existsSync(join(folder, 'include', 'vector_types.h'));
  return candidates.find((folder) => folder !== '' && whole(folder)) ?? null;
}

/** The architectures that the CUDA libtorch is built for. */
export const architectures = ['75', '80', '86', '90', '100', '120'];

/** What nvcc is given for every kernel, beside the architecture. */
export const compileFlags = ['-std=c++20', '--Werror', 'all-warnings', '-Xcompiler', '-Wall,-Wextra'];
