/**
 * `npm run golden -- --record DIR`, `--compare DIR`, `--write`: see scripts/golden.mjs. With a further word, only cases
 * whose names have it.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { projectRoot } from '../support/paths.js';
import type { Case } from './case.js';
import { cases } from './cases.js';
import { differences } from './compare.js';
import { makePlace } from './place.js';
import type { Json } from './trace.js';

const COMMITTED = join(projectRoot, 'test', 'golden-traces', 'expected');

interface Asked {
  readonly mode: 'record' | 'compare' | 'write';
  readonly folder: string;
  readonly word: string;
}

function read(args: readonly string[]): Asked {
  const [mode, ...rest] = args;
  if (mode === '--write') return { mode: 'write', folder: COMMITTED, word: rest[0] ?? '' };
  const [folder, word = ''] = rest;
  if ((mode === '--record' || mode === '--compare') && folder !== undefined)
    return { mode: mode === '--record' ? 'record' : 'compare', folder: resolve(folder), word };
  process.stderr.write('npm run golden -- --record DIR | --compare DIR | --write   [part of a name]\n');
  process.exit(2);
}

/** The differences from what was recorded, or none where it is recorded now. */
function settle({ mode, folder }: Asked, { name }: Case, traced: Json): readonly string[] {
  const path = join(folder, `${name}.json`);
  if (mode !== 'compare') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, `${JSON.stringify(traced, null, 1)}\n`);
    return [];
  }
  return differences(traced, JSON.parse(readFileSync(path, 'utf8')) as Json, 0);
}

function secondsSince(began: NodeJS.CpuUsage): string {
  const { user, system } = process.cpuUsage(began);
  return ((user + system) / 1e6).toFixed(1);
}

const asked = read(process.argv.slice(2));
const root = mkdtempSync(join(tmpdir(), 'resnet-torch-'));
let differing = 0;
try {
  const place = await makePlace(root);
  for (const each of cases) {
    if (!each.name.includes(asked.word) || (asked.mode === 'write' && each.tolerance === null)) continue;
    const began = process.cpuUsage();
    const found = settle(asked, each, await each.trace(place, { bits: asked.mode !== 'write' }));
    process.stdout.write(`${found.length === 0 ? 'ok ' : 'NOT'} ${each.name} (${secondsSince(began)} s of CPU)\n`);
    for (const difference of found) process.stdout.write(`      ${difference}\n`);
    if (found.length > 0) differing += 1;
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
if (differing > 0) process.stdout.write(`${differing} traces differ from those in ${asked.folder}.\n`);
process.exitCode = differing > 0 ? 1 : 0;
