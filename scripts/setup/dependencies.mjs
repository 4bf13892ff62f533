import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seconds, step } from './output.mjs';
import { run } from './run.mjs';

/** Whether root is a clone of the project, and not the package as npm installed it. @param {string} root */
export function isCheckout(root) {
  return existsSync(join(root, 'package-lock.json')) && existsSync(join(root, 'tsconfig.json'));
}

/**
 * `npm ci` where node_modules is missing or is not what the lock file says.
 *
 * @param {string} root
 */
export async function installDependencies(root) {
  if (isInstalled(root)) {
    step('npm', 'dependencies are there already');
    return;
  }
  step('npm', 'npm ci');
  const start = Date.now();
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await run('npm ci', npm, ['ci', '--no-audit', '--no-fund'], { cwd: root, show: true });
  step('npm', `dependencies installed in ${seconds(Date.now() - start)}`);
}

/**
 * npm keeps a lock file of what it installed. Packages for other systems are in the one and not in the other.
 *
 * @param {string} root
 */
function isInstalled(root) {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const present = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === null || present === null) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    if (found === undefined) return entry.optional === true || entry.devOptional === true || entry.peer === true;
    return found.version === entry.version && existsSync(join(root, path));
  });
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean, peer?: boolean }> | null}
 */
function packagesOf(file) {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}
