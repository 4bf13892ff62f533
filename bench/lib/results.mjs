/** The results as they are kept: rows and curves by name, so that a run of a part refreshes that part. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './places.mjs';

/** @typedef {import('./pairs.mjs').Outcome} Outcome */
/** @typedef {import('./scaling.mjs').Curves} Curves */
/** @typedef {{ rows: Record<string, Outcome>, scaling: Record<string, Curves> }} Results */

/** @param {string} file @returns {Results} */
export function readResults(file) {
  if (!existsSync(file)) return { rows: {}, scaling: {} };
  return JSON.parse(readFileSync(file, 'utf8'));
}

/**
 * New rows take the places of old ones. A row that could not be run now does not take figures away that were taken before.
 *
 * @param {Results} old
 * @param {{ rows?: readonly Outcome[], scaling?: readonly Curves[] }} fresh
 * @returns {Results}
 */
export function mergeResults(old, { rows = [], scaling = [] }) {
  /** @type {Results} */
  const merged = { rows: { ...old.rows }, scaling: { ...old.scaling } };
  for (const row of rows) {
    const known = merged.rows[row.name];
    if (known === undefined || known.notRun !== null || row.notRun === null) merged.rows[row.name] = row;
  }
  for (const curves of scaling) {
    const known = merged.scaling[curves.name];
    if (known === undefined || known.notRun !== null || curves.notRun === null) merged.scaling[curves.name] = curves;
  }
  return merged;
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
