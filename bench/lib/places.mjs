/** Where the benchmark keeps things. All but the results lies below .cache/, and can be deleted. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const bench = join(root, 'bench');
export const work = join(root, '.cache', 'bench');
export const cli = join(root, 'bin', 'resnet-torch.js');
export const venv = join(root, '.cache', 'bench-python');
export const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
export const nodePeers = join(root, '.cache', 'bench-node');

/** @param {string} name a script of ours, or of a peer */
export const script = (name) => join(bench, name);

/** The module of the built package. @param {string} path below src/, with .js */
export const built = (path) => join(root, 'dist', 'src', path);

/** Real images and weights that may lie beside the project, or null: the tests' own rule. */
export async function sharedFolder() {
  const helper = join(root, 'dist', 'test', 'support', 'paths.js');
  if (!existsSync(helper)) return null;
  const { sharedRoot } = await import(helper);
  return /** @type {string | null} */ (sharedRoot());
}
