/** summary.json and summary.txt: written at the beginning and the end of each step, so that a run that is cut short tells. */

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Outcome
 * @property {string} name
 * @property {string} does
 * @property {'running' | 'ok' | 'failed' | 'stopped' | 'no GPU' | 'not run'} status
 * @property {number | null} rc of its last program; null where it was stopped or none ran
 * @property {number} seconds
 * @property {number} limit seconds that it might take
 * @property {string} note what came of it, or why not
 */

/** @typedef {{ kit: object, started: string, seconds: number, limit: number, facts: Record<string, unknown>, steps: readonly Outcome[] }} Summary */

/** @param {string} file @param {string} text */
function replace(file, text) {
  writeFileSync(`${file}.partial`, text);
  renameSync(`${file}.partial`, file);
}

/** @param {Outcome} outcome */
export function line({ name, status, rc, seconds, limit, note }) {
  const time = status === 'not run' ? '' : `${seconds.toFixed(1)} of ${limit.toFixed(0)} s`;
  return `${name.padEnd(16)} ${status.padEnd(8)} ${time.padStart(16)}  rc ${rc ?? '-'}  ${note}`.trimEnd();
}

/** @param {Summary} summary */
export function textOf({ kit, started, seconds, limit, facts, steps }) {
  const told = Object.entries({ ...kit, ...facts }).map(
    ([name, value]) => `${name.padEnd(16)} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const time = `${seconds.toFixed(0)} of ${limit.toFixed(0)} s`;
  return [`Begun ${started}, ${time}`, '', ...told, '', ...steps.map(line), ''].join('\n');
}

/** @param {string} folder @param {Summary} summary */
export function writeSummary(folder, summary) {
  replace(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
  replace(join(folder, 'summary.txt'), textOf(summary));
}
