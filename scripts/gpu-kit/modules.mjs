import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** cmake-js brings a hundred packages and is not used where the kit goes; the headers of Node's interface come with it. */
const without = 'cmake-js';
const headers = 'node-api-headers';

/** As Node looks for it. @param {string} root @param {string} from a package's folder @param {string} name @returns {string | null} */
function find(root, from, name) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === root || folder === dirname(folder)) return null;
  }
}

/** @param {string} folder */
function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/**
 * The installed packages that running, building and measuring need, and those that they need. Of optional ones, those that
 * are installed.
 *
 * @param {string} root
 * @returns {{ name: string, version: string, folder: string }[]}
 * @throws {Error} for one that is not installed
 */
export function neededModules(root) {
  /** @type {Map<string, { name: string, version: string, folder: string }>} */
  const found = new Map();
  /** @param {string} from @param {string} name @param {boolean} optional */
  const add = (from, name, optional) => {
    const folder = find(root, from, name);
    if (folder === null) {
      if (optional) return;
      throw new Error(`${name} is not installed: run npm ci`);
    }
    if (found.has(folder)) return;
    const { version, dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    found.set(folder, { name, version, folder });
    for (const need of Object.keys(dependencies)) add(folder, need, need in optionalDependencies);
    for (const need of Object.keys(optionalDependencies)) add(folder, need, true);
  };
  const direct = Object.keys(manifestOf(root).dependencies).filter((name) => name !== without);
  for (const name of [...direct, headers]) add(root, name, false);
  return [...found.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
}
