import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { ResnetTorchError } from '../errors.js';
import type { NativeBinding, NativeCancelToken } from './binding.js';

const require = createRequire(import.meta.url);

export type Variant = 'cpu' | 'cuda';

/** The folder of the package: the nearest above this file that holds package.json. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

let loaded: NativeBinding | undefined;

/**
 * The native addon, loaded and initialised at the first call of each thread; libtorch takes some 400 ms to load.
 *
 * @throws ResnetTorchError `ERR_ADDON_LOAD`, `ERR_LIBTORCH_NOT_FOUND` or `ERR_LIBTORCH_VERSION`, with the way out.
 */
export function native(): NativeBinding {
  loaded ??= load();
  return loaded;
}

function load(): NativeBinding {
  const root = packageRoot();
  const variant = chooseVariant(root);
  const binding = requireAddon(root, variant);
  binding.initialize({ errorClass: ResnetTorchError, vips: findVips() });
  const { compiledLibtorch, runtimeLibtorch } = binding.info();
  if (compiledLibtorch !== runtimeLibtorch) {
    throw new ResnetTorchError(
      'ERR_LIBTORCH_VERSION',
      `The addon was built against libtorch ${compiledLibtorch} and met libtorch ${runtimeLibtorch}. ` +
        'Run `npx resnet-torch setup` to build it against the one that is there.',
    );
  }
  // Cleanup hooks do not run on process.exit() or an uncaught throw in the main thread; this event does.
  if (isMainThread) process.once('exit', () => binding.shutdown());
  return binding;
}

function chooseVariant(root: string): Variant {
  const wanted = process.env.RESNET_TORCH_VARIANT;
  if (wanted === 'cpu' || wanted === 'cuda') return wanted;
  if (wanted !== undefined && wanted !== '') {
    throw new ResnetTorchError('ERR_INVALID_ARGUMENT', `RESNET_TORCH_VARIANT is "${wanted}": it can be cpu or cuda.`);
  }
  const isBuilt = (variant: Variant) =>
    ['build', 'prebuilds'].some((kind) => existsSync(join(root, 'addons', variant, kind)));
  return !isBuilt('cpu') && isBuilt('cuda') ? 'cuda' : 'cpu';
}

function requireAddon(root: string, variant: Variant): NativeBinding {
  const folder = join(root, 'addons', variant);
  const find = require('node-gyp-build') as ((folder: string) => NativeBinding) & { path(folder: string): string };
  try {
    find.path(folder);
  } catch {
    throw new ResnetTorchError(
      'ERR_ADDON_LOAD',
      `There is no native addon for ${process.platform}-${process.arch} in ${folder}. ` +
        `Run \`npx resnet-torch setup\`, which finds libtorch and builds it.`,
    );
  }
  try {
    return find(folder);
  } catch (error) {
    throw explain(error, variant);
  }
}

/** What a failure of dlopen means, and the way out. */
function explain(error: unknown, variant: Variant): ResnetTorchError {
  const reason = error instanceof Error ? error.message : String(error);
  const build = `npx resnet-torch setup${variant === 'cuda' ? ' --device cuda' : ''}`;
  const say = (code: 'ERR_ADDON_LOAD' | 'ERR_LIBTORCH_NOT_FOUND' | 'ERR_LIBTORCH_VERSION', message: string) =>
    new ResnetTorchError(code, `${message}\n(${reason})`, { cause: error });
  if (/libgomp|libomp/.test(reason)) {
    return say('ERR_LIBTORCH_NOT_FOUND', 'The OpenMP runtime of libtorch was not found: install libgomp1 (Debian) or libgomp (Fedora).');
  }
  if (/lib(torch|c10)\w*\.(so|dylib)/.test(reason) && /cannot open|no such file|not loaded|image not found/i.test(reason)) {
    return say('ERR_LIBTORCH_NOT_FOUND', `The addon was built, but its libtorch is gone. Run \`${build}\` to put it in its place.`);
  }
  if (/undefined symbol|symbol not found/i.test(reason)) {
    return say('ERR_LIBTORCH_VERSION', `The addon was built against another libtorch than the one it met. Run \`${build}\` to build it again.`);
  }
  if (/GLIBC(XX)?_/.test(reason)) {
    return say('ERR_ADDON_LOAD', `The addon was built on a newer system than this one. Run \`${build}\` to build it here.`);
  }
  if (/wrong ELF class|invalid ELF header|incompatible architecture/i.test(reason)) {
    return say('ERR_ADDON_LOAD', `The addon was built for another processor than ${process.arch}. Run \`${build}\` to build it here.`);
  }
  return say('ERR_ADDON_LOAD', `The native addon could not be loaded. \`${build}\` builds it again.`);
}

/** libvips' shared library, from the packages that sharp installs; no fixed path can guess a package manager's layout. */
export function findVips(): string | null {
  try {
    const fromSharp = createRequire(require.resolve('sharp'));
    for (const libc of ['', 'musl']) {
      const name = `@img/sharp-libvips-${process.platform}${libc}-${process.arch}`;
      const folder = libraryFolder(fromSharp, name);
      if (folder === null) continue;
      const file = readdirSync(folder).find((entry) => /^libvips-cpp\.(so|\d+\.dylib|dylib)/.test(entry));
      if (file !== undefined) return join(folder, file);
    }
  } catch {
    // sharp is not installed: JPEGs are still read, and other formats say what is missing.
  }
  return null;
}

function libraryFolder(from: NodeJS.Require, name: string): string | null {
  try {
    return dirname(from.resolve(`${name}/lib`));
  } catch {
    return null;
  }
}

/**
 * Hands a native call a token that an `AbortSignal` sets; a call that was cancelled rejects with the signal's reason.
 */
export async function withCancel<T>(
  signal: AbortSignal | undefined,
  call: (token?: NativeCancelToken) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return call();
  signal.throwIfAborted();
  const token = new (native().CancelToken)();
  const cancel = () => token.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await call(token);
  } catch (error) {
    if (signal.aborted && error instanceof ResnetTorchError && error.code === 'ERR_ABORTED') throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
