/** The shared libraries of a libtorch that was put in the store, so that one which is lost later is noticed. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { SetupError } from './errors.mjs';
import { filesBelow } from './stamp.mjs';

const listName = 'libraries.json';

/** @param {string} stored a folder of the store */
export async function listLibraries(stored) {
  const paths = filesBelow(stored).filter((path) => /\.(so(\.\d+)*|dylib)$/.test(path));
  const sizes = paths.sort().map((path) => [relative(stored, path), statSync(path).size]);
  await writeFile(join(stored, listName), `${JSON.stringify(Object.fromEntries(sizes), null, 1)}\n`);
}

/** Refuses a folder of the store that lacks a library which it had. One without a list is taken as it is. @param {string} stored */
export function checkLibraries(stored) {
  const list = join(stored, listName);
  if (!existsSync(list)) return;
  for (const [path, size] of Object.entries(JSON.parse(readFileSync(list, 'utf8')))) {
    const found = statSync(join(stored, path), { throwIfNoEntry: false });
    if (found === undefined) throw new SetupError(`${join(stored, path)} is gone`);
    if (found.size !== size) throw new SetupError(`${join(stored, path)} has ${found.size} bytes, not ${size}`);
  }
}
