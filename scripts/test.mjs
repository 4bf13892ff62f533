#!/usr/bin/env node
/**
 * `npm test`: sets up what is missing, then runs the unit tests with Node's runner, whose summary comes last.
 *
 *   node scripts/test.mjs                        all but the slow suites
 *   node scripts/test.mjs --suite install ...    the slow suites named (sanitize, cuda, gpu, prebuild, install, kit, soak), in this order
 *   node scripts/test.mjs test/optim test/files.test.ts      files, or all below folders
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = join(root, 'dist', 'test');
/** Suites that build, install or need what the others do not: folders of test/, each run by a command of its own. */
const slowSuites = ['install', 'kit', 'prebuild', 'parity', 'sanitize', 'cuda', 'gpu', 'soak'];

/** @param {string} folder @returns {string[]} */
function testsBelow(folder) {
  if (!existsSync(folder)) return [];
  if (statSync(folder).isFile()) return [folder];
  return (
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js'))
      // A compiled test outlives its source: it is no test any more.
      .filter((name) => existsSync(join(root, 'test', relative(compiled, join(folder, name)).replace(/\.js$/, '.ts'))))
      .map((name) => join(folder, name))
      .sort()
  );
}

/** @param {string} path a test, or a folder of tests, as written in the source tree or as compiled */
function compiledPath(path) {
  const inTree = relative(root, resolve(path)).replace(/\.ts$/, '.js');
  return inTree.startsWith(`dist${sep}`) ? join(root, inTree) : join(root, 'dist', inTree);
}

/** @param {readonly string[]} args */
function chooseTests(args) {
  if (args[0] === '--suite') return args.slice(1).flatMap((name) => testsBelow(join(compiled, name)));
  if (args.length > 0) return args.flatMap((path) => testsBelow(compiledPath(path)));
  const slow = slowSuites.map((name) => join(compiled, name) + sep);
  return testsBelow(compiled).filter((file) => !slow.some((folder) => file.startsWith(folder)));
}

/** @param {readonly string[]} args */
function runNode(args) {
  // Threads that wait by spinning take the cores from whatever else runs, and many tests are many small waits.
  const env = { OMP_WAIT_POLICY: 'passive', ...process.env };
  const { status, signal } = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

/** A device is computed on by the CUDA variant alone. */
async function setUpForDevice() {
  const { cudaHost } = await import('../dist/src/native/variants.js');
  if (cudaHost().deviceSeen) runNode([join(root, 'scripts', 'setup.mjs'), '--native', '--device', 'cuda']);
  else process.stderr.write('no GPU: not run\n');
}

runNode([join(root, 'scripts', 'setup.mjs')]);
if (process.argv[2] === '--suite' && process.argv.includes('gpu')) await setUpForDevice();
const tests = chooseTests(process.argv.slice(2));
if (tests.length === 0) {
  process.stderr.write(`No test matches: ${process.argv.slice(2).join(' ')}\n`);
  process.exit(1);
}
// Tests train on all cores, so more than two files beside each other would only slow one another down; two fill the time in
// which one starts a process or waits. Builds and installations fill the machine by themselves.
const files = process.argv[2] === '--suite' ? 1 : Math.min(2, availableParallelism());
runNode(['--test', `--test-concurrency=${files}`, '--test-reporter=./scripts/test-reporter.mjs', ...tests]);
