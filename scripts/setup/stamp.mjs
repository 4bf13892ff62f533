/** Says whether the inputs of a step changed since it last ran: a hash of them lies beside its output. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/**
 * @param {string} root
 * @param {readonly string[]} paths files and folders below root; those that are absent count as absent
 * @param {readonly string[]} [facts] whatever else the output depends on
 */
export function hashInputs(root, paths, facts = []) {
  const hash = createHash('sha256');
  for (const file of paths.flatMap((path) => filesBelow(join(root, path))).sort()) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.update(JSON.stringify(facts)).digest('hex');
}

/** @param {string} path a folder, or a file, which stands for itself @returns {string[]} */
export function filesBelow(path) {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOTDIR') return [path];
    throw error;
  }
}

/** @param {string} file @param {string} hash */
export function isCurrent(file, hash) {
  return existsSync(file) && readFileSync(file, 'utf8').trim() === hash;
}

/** @param {string} file @param {string} hash */
export async function writeStamp(file, hash) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${hash}\n`);
}

/** @param {string} file */
export async function dropStamp(file) {
  await rm(file, { force: true });
}
