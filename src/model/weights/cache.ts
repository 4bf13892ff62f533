import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * Where downloaded weights are kept: `RESNET_TORCH_CACHE`, or `resnet-torch` in the user's cache directory
 * (`XDG_CACHE_HOME` or `~/.cache`; macOS: `~/Library/Caches`; Windows: `LOCALAPPDATA`).
 */
export function cacheDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  if (environment.RESNET_TORCH_CACHE) return resolve(environment.RESNET_TORCH_CACHE);
  return join(userCacheDirectory(environment, platform, home), 'resnet-torch');
}

function userCacheDirectory(
  environment: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string,
): string {
  if (platform === 'win32') return environment.LOCALAPPDATA || join(home, 'AppData', 'Local');
  if (platform === 'darwin') return join(home, 'Library', 'Caches');
  const named = environment.XDG_CACHE_HOME;
  // The XDG Base Directory Specification has relative paths ignored.
  return named && isAbsolute(named) ? named : join(home, '.cache');
}
