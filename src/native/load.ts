import nodeModule from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { ResnetTorchError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { NativeBinding } from './contract/addon.js';
import type { NativeCancelToken } from './contract/device.js';
import { explainLoadFailure, setupCommand } from './explain.js';
import { builtVariants, chooseVariant, cudaHost, type Variant } from './variants.js';
import { findVips } from './vips.js';

export { findVips, packageRoot };

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

/** The variant whose addon is loaded on this machine, whether it loads or not. */
export function variantToLoad(root = packageRoot()): Variant {
  return chooseVariant(process.env.RESNET_TORCH_VARIANT, builtVariants(root), cudaHost());
}

/** The addon of the variant that this machine calls for, not initialised yet. */
export function openAddon(): { readonly variant: Variant; readonly binding: NativeBinding } {
  const root = packageRoot();
  const variant = variantToLoad(root);
  return { variant, binding: requireAddon(root, variant) };
}

function load(): NativeBinding {
  const { variant, binding } = openAddon();
  const { compiled, runtime } = binding.libtorchVersions();
  if (compiled !== runtime) {
    throw new ResnetTorchError(
      'ERR_LIBTORCH_VERSION',
      `The addon was built against libtorch ${compiled} and met libtorch ${runtime}. A process has one libtorch, that ` +
        'which came first: where another package brought it, or another copy of this one, use one version in all of ' +
        `them. Otherwise \`${setupCommand(variant)}\` builds the addon against the libtorch that is there.`,
    );
  }
  binding.initialize({ errorClass: ResnetTorchError, vips: findVips() });
  // Cleanup hooks do not run on process.exit() or an uncaught throw in the main thread; this event does.
  if (isMainThread) process.once('exit', () => binding.shutdown());
  return binding;
}

function requireAddon(root: string, variant: Variant): NativeBinding {
  const folder = join(root, 'addons', variant);
  // Not createRequire() by its name, which webpack takes for its own and leaves out.
  const find = nodeModule.createRequire(join(root, 'package.json'))('node-gyp-build') as ((
    folder: string,
  ) => NativeBinding) & {
    path(folder: string): string;
  };
  try {
    find.path(folder);
  } catch {
    throw new ResnetTorchError(
      'ERR_ADDON_LOAD',
      `There is no native addon for ${process.platform}-${process.arch} in ${folder}. ` +
        `Run \`${setupCommand(variant)}\`, which finds libtorch and builds it.`,
    );
  }
  try {
    return find(folder);
  } catch (error) {
    throw explainLoadFailure(error, variant);
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
