import { native } from '../native/load.js';
import { packageVersion } from '../version.js';

/** What writes a checkpoint. */
export function versions(): Readonly<Record<string, string>> {
  return {
    'resnet-torch': packageVersion(),
    libtorch: native().info().runtimeLibtorch,
  };
}
