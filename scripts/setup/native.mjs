import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { say } from './log.mjs';
import { root } from './root.mjs';
import { ask, run } from './run.mjs';
import { digest, isFresh, writeStamp } from './stamp.mjs';
import { checkToolchain } from './toolchain.mjs';

const require = createRequire(import.meta.url);

/** Memory that a compiler takes for a file that includes libtorch's headers. */
const bytesPerJob = 2e9;

/**
 * Builds the addon of a variant with cmake-js, where its sources or its libtorch changed.
 *
 * @param {'cpu' | 'cuda'} variant
 * @param {{ folder: string, version: string }} libtorch
 * @param {{ force?: boolean, quiet?: boolean }} options
 */
export async function buildNative(variant, libtorch, options = {}) {
  const build = join(root, 'addons', variant, 'build');
  const stamp = join(build, '.built-from');
  const value = digest(
    [join(root, 'native'), join(root, 'CMakeLists.txt')],
    [libtorch.version, require('node-addon-api/package.json').version, process.arch],
  );
  const output = join(build, 'Release', 'resnet_torch.node');
  if (!options.force && existsSync(output) && isFresh(stamp, value)) return;
  checkToolchain();
  mkdirSync(build, { recursive: true });
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerJob)));
  say(`Building the native addon (${variant}), ${jobs} files at a time; this takes a few minutes`);
  const ninja = ask('ninja', ['--version']) === null ? [] : ['-G', 'Ninja'];
  await run(
    process.execPath,
    [
      require.resolve('cmake-js/bin/cmake-js'),
      'compile',
      '--directory', root,
      '--out', build,
      ...ninja,
      '--parallel', String(jobs),
      `--CDRESNET_TORCH_VARIANT=${variant}`,
      `--CDRESNET_TORCH_LIBTORCH=${join(root, 'vendor', `libtorch-${variant}`)}`,
    ],
    { cwd: root, quiet: options.quiet ?? true },
  );
  writeStamp(stamp, value);
}
