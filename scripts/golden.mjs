#!/usr/bin/env node
/**
 * `npm run golden`: traces of small runs, to be the same bit for bit before and after a change that must change nothing, on
 * one machine. `npm test` compares the part of them that is the same on every machine with test/golden-traces/expected.
 *
 *   npm run golden -- --record DIR [part of a name]     before the change
 *   npm run golden -- --compare DIR [part of a name]    after it; exit code 1 and what differs, where something does
 *   npm run golden -- --write [part of a name]          what `npm test` expects, after a change that is meant
 */

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {readonly string[]} args */
function runNode(args) {
  const env = { OMP_WAIT_POLICY: 'passive', ...process.env };
  const { status } = spawnSync(process.execPath, args, { cwd: process.cwd(), env, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

runNode([join(root, 'scripts', 'setup.mjs')]);
runNode([join(root, 'dist', 'test', 'golden-traces', 'program.js'), ...process.argv.slice(2)]);
