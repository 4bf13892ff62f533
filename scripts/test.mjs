#!/usr/bin/env node
// Sets everything up, then runs test files with Node's test runner:
//   node scripts/test.mjs                 every test but the slow suites
//   node scripts/test.mjs install         a slow suite: dist/test/<suite>
//   node scripts/test.mjs --only groups   files whose path contains a word

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { root } from './setup/root.mjs';

/** Suites that take minutes, and have scripts of their own. */
const slow = ['install', 'parity', 'sanitize'];

const [first, second] = process.argv.slice(2);
const suite = first !== undefined && !first.startsWith('-') ? first : null;
const word = first === '--only' ? second : null;
if (first !== undefined && suite === null && word === null) {
  process.stderr.write(`Usage: node scripts/test.mjs [${slow.join('|')}] [--only WORD]\n`);
  process.exit(2);
}

const setup = spawnSync(process.execPath, [join(root, 'scripts', 'setup.mjs')], { stdio: 'inherit' });
if (setup.status !== 0) process.exit(setup.status ?? 1);

const tests = join(root, 'dist', 'test');

function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.js') ? [path] : [];
  });
}

const isSlow = (file) => slow.includes(relative(tests, file).split(sep)[0]);
const files = suite === null ? testFiles(tests).filter((file) => !isSlow(file)) : testFiles(join(tests, suite));
// A compiled test may outlive its source in dist.
const chosen = files
  .filter((file) => existsSync(join(root, 'test', relative(tests, file).replace(/\.js$/, '.ts'))))
  .filter((file) => word === null || file.includes(word));
if (chosen.length === 0) {
  process.stderr.write('No test file matches.\n');
  process.exit(1);
}

// Tests train on all cores; two files at once on a small machine only slow each other down.
const result = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...chosen], { stdio: 'inherit', cwd: root });
process.exit(result.status ?? 1);
