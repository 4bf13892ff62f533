/** The results as they are kept: by machine, then rows and curves by name, so that a run of a part refreshes that part. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './places.mjs';

/** @typedef {import('./machine.mjs').Machine} Machine */
/** @typedef {import('./pairs.mjs').Outcome} Outcome */
/** @typedef {import('./scaling.mjs').Curves} Curves */
/** @typedef {{ machine: Machine, rows: Record<string, Outcome>, scaling: Record<string, Curves> }} OfMachine */
/** @typedef {{ machines: Record<string, OfMachine> }} Results */

/** @param {string} file @returns {Results} */
export function readResults(file) {
  if (!existsSync(file)) return { machines: {} };
  return JSON.parse(readFileSync(file, 'utf8'));
}

/**
 * New rows take the places of old ones of the same machine. A row that could not be run now does not take figures away that
 * were taken before.
 *
 * @param {Results} old
 * @param {Machine} machine
 * @param {{ rows?: readonly Outcome[], scaling?: readonly Curves[] }} fresh
 * @returns {Results}
 */
export function mergeResults(old, machine, { rows = [], scaling = [] }) {
  const known = old.machines[machine.id];
  const merged = { machine, rows: { ...known?.rows }, scaling: { ...known?.scaling } };
  for (const row of rows) merged.rows[row.name] = newer(merged.rows[row.name], row);
  for (const curves of scaling) merged.scaling[curves.name] = newer(merged.scaling[curves.name], curves);
  return { machines: { ...old.machines, [machine.id]: merged } };
}

/** @template {{ notRun: string | null }} T @param {T | undefined} known @param {T} fresh */
function newer(known, fresh) {
  return known === undefined || known.notRun !== null || fresh.notRun === null ? fresh : known;
}

/** @param {string} file @param {Results} results */
export function writeResults(file, results) {
  const partial = `${file}.partial.json`;
  writeFileSync(partial, `${JSON.stringify(results, null, 2)}\n`);
  // In the project's own format, so that a refreshed file passes its checks; as it is where Biome is not installed.
  const biome = join(root, 'node_modules', '.bin', 'biome');
  spawnSync(biome, ['format', '--write', partial], { cwd: root, stdio: 'ignore' });
  renameSync(partial, file);
}
