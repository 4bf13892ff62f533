import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ResnetTorchError } from './errors.js';

const NAME = 'resnet-torch';

let root: string | undefined;

/**
 * The folder of the package, which holds the addon, libtorch and what else is no JavaScript: the nearest above this file
 * whose package.json has the package's name. In a bundle there is none, whatever package.json the application has.
 *
 * @throws ERR_ADDON_LOAD where this code was bundled
 */
export function packageRoot(): string {
  root ??= findRoot(import.meta.url);
  return root;
}

/** @param url this module's address; bundles of CommonJS have none */
function findRoot(url: string | undefined): string {
  if (url === undefined || !url.startsWith('file:')) throw bundled('this code');
  const file = fileURLToPath(url);
  for (let folder = dirname(file), last = ''; folder !== last; last = folder, folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) return folder;
  }
  throw bundled(file);
}

function isOurs(file: string): boolean {
  if (!existsSync(file)) return false;
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown } | null)?.name === NAME;
  } catch {
    return false;
  }
}

function bundled(where: string): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_ADDON_LOAD',
    `${where} is not inside the package ${NAME}: it was bundled, and the native addon cannot be. Mark \`${NAME}\` as ` +
      `external in your bundler (esbuild: --external:${NAME}; docs/bundlers.md of the package names the others), and ` +
      'install it where the bundle runs.',
  );
}
