/** Packs what is worth taking home: with it, later builds need no such machine. */

import { rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { addonOf, cameOf } from './build.mjs';
import { runCommand } from './run-command.mjs';

/** @typedef {import('./steps.mjs').Here} Here */
/** @typedef {import('./steps.mjs').Came} Came */

/** What comes out larger is thrown away. */
const mostBytes = 16e6;

/** @param {Here} here @param {string} name @param {string} folder @param {string} entry @returns {Promise<Came>} */
async function pack({ options, log, seconds }, name, folder, entry) {
  const xz = (await runCommand('xz', ['--version'], { cwd: folder, seconds, log })).code === 0;
  const file = join(options.out, `${name}.tar.${xz ? 'xz' : 'gz'}`);
  const env = { XZ_OPT: '-6 -T0' };
  const ended = await runCommand('tar', [xz ? '-cJf' : '-czf', file, '-C', folder, entry], {
    cwd: folder,
    env,
    seconds,
    log,
  });
  if (ended.code !== 0) {
    rmSync(file, { force: true });
    return cameOf(ended, '');
  }
  const { size } = statSync(file);
  const megabytes = `${(size / 1e6).toFixed(1)} MB`;
  if (size <= mostBytes) return { status: 'ok', rc: 0, note: megabytes };
  rmSync(file);
  return { status: 'not run', rc: 0, note: `${megabytes} are too much to bring home` };
}

/** @param {Here} here */
export async function bringAddon(here) {
  const addon = addonOf(here.facts.variant);
  // Without strip it is packed as it is.
  await runCommand('strip', ['--strip-unneeded', addon], { cwd: dirname(addon), seconds: here.seconds, log: here.log });
  return pack(here, 'addon', dirname(addon), basename(addon));
}

/** @param {Here} here */
export async function bringHeaders(here) {
  return pack(here, 'headers', here.facts.pytorch.folder, 'include');
}
