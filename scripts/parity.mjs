#!/usr/bin/env node
/**
 * `npm run test:parity`: compares the package with PyTorch, and writes what it found to test/parity/README.md.
 *
 *   node scripts/parity.mjs                   all of test/parity, in a Python environment of its own below .cache/
 *   node scripts/parity.mjs --only forward    test files whose name holds a word; the table stays as it is
 *   node scripts/parity.mjs --skip family     all but those; the table stays as it is
 *   node scripts/parity.mjs --golden          writes test/fixtures/golden anew instead, for the tests that need no Python
 *
 * Without Python, or without the packages, it says so and is skipped; with --require, or where CI is set, it fails.
 * --python PATH takes an environment that has the packages.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pinnedLibtorch } from './setup/pins.mjs';
import { pythonNames } from './setup/python.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = join(root, 'test', 'parity', 'README.md');

/** torchvision asks for another torch than this one; test/parity/reference.py makes them agree. */
const torch = [`torch==${pinnedLibtorch.cpu}`, 'numpy', 'onnx', 'pillow', 'safetensors'];
const torchvision = ['--no-deps', 'torchvision==0.29.1'];
const pip = [
  '-m',
  'pip',
  'install',
  '--retries',
  '0',
  '--timeout',
  '5',
  '--disable-pip-version-check',
  '--no-input',
  '--quiet',
];

const { values: options } = parseArgs({
  options: {
    require: { type: 'boolean', default: Boolean(process.env.CI) },
    golden: { type: 'boolean', default: false },
    only: { type: 'string' },
    skip: { type: 'string' },
    python: { type: 'string' },
  },
});

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {string} program @param {readonly string[]} args */
function runs(program, args) {
  return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

/** @returns {string | null} the environment's Python, made where it is missing; null after saying why there is none */
function environment() {
  const folder = join(root, '.cache', 'parity-python');
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(folder, 'requirements');
  const wanted = [...torch, ...torchvision].join(' ');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  const base = pythonNames().find((name) => spawnSync(name, ['--version']).status === 0);
  if (base === undefined) {
    say('There is no python3 (RESNET_TORCH_PYTHON names another).');
    return null;
  }
  say(`python       ${folder}: ${wanted}`);
  rmSync(folder, { recursive: true, force: true });
  if (!runs(base, ['-m', 'venv', folder])) {
    say(`${base} could not make a virtual environment (Debian: the package python3-venv).`);
    return null;
  }
  if (!runs(python, [...pip, ...torch]) || !runs(python, [...pip, ...torchvision])) {
    say('pip could not install what the comparison needs; its output is above.');
    return null;
  }
  writeFileSync(stamp, wanted);
  return python;
}

/** @param {number} value */
function figure(value) {
  if (value === 0) return '0';
  return value >= 1e-2 ? value.toPrecision(2) : value.toExponential(1).replace('e-', 'e−');
}

/**
 * @typedef {{ what: string, cases: number, worst: number, where: string, bound: number }} Row
 * @param {readonly Row[]} rows
 */
function table(rows) {
  const lines = rows.map(
    ({ what, cases, worst, where, bound }) =>
      `| ${what} | ${cases} | ${figure(worst)} | ${figure(bound)} | ${where || 'equal throughout'} |`,
  );
  return ['| what | compared | worst | bound | where |', '|---|---|---|---|---|', ...lines].join('\n');
}

/** Replaces what stands between the two markers. @param {string} text */
function writeTable(text) {
  const [begin, end] = ['<!-- table -->', '<!-- end of table -->'];
  const old = readFileSync(readme, 'utf8');
  const [head, rest = ''] = old.split(begin);
  writeFileSync(readme, `${head}${begin}\n${text}\n${end}${rest.split(end)[1] ?? '\n'}`);
}

/** @param {string} python */
function compare(python) {
  if (!runs(process.execPath, [join(root, 'scripts', 'setup.mjs')])) return 1;
  const tests = join(root, 'dist', 'test', 'parity');
  const files = readdirSync(join(root, 'test', 'parity'))
    .filter((name) => name.endsWith('.test.ts') && name.includes(options.only ?? ''))
    .filter((name) => options.skip === undefined || !name.includes(options.skip))
    .map((name) => join(tests, name.replace(/\.ts$/, '.js')));
  if (files.length === 0) {
    say(`No test in test/parity is left by --only ${options.only ?? 'none'} and --skip ${options.skip ?? 'none'}.`);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), 'resnet-torch-parity-'));
  const results = join(folder, 'results.jsonl');
  writeFileSync(results, '');
  const env = {
    ...process.env,
    RESNET_TORCH_PARITY_PYTHON: python,
    RESNET_TORCH_PARITY_RESULTS: results,
    // Threads that wait by spinning take the cores from whatever else runs.
    OMP_WAIT_POLICY: 'passive',
  };
  const reporter = `--test-reporter=${join(root, 'scripts', 'test-reporter.mjs')}`;
  const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', reporter, ...files], {
    stdio: 'inherit',
    env,
  });
  const rows = readFileSync(results, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  rmSync(folder, { recursive: true });
  const text = table(rows);
  process.stdout.write(`\n${text}\n`);
  if (status === 0 && options.only === undefined && options.skip === undefined) {
    writeTable(text);
    say(`\nWritten to ${readme}`);
  }
  return status ?? 1;
}

const python = options.python ?? environment();
if (python === null) {
  say(options.require ? 'The comparison with PyTorch is required here.' : 'The comparison with PyTorch was skipped.');
  process.exitCode = options.require ? 1 : 0;
} else if (options.golden) {
  const script = join(root, 'test', 'parity', 'golden.py');
  process.exitCode = runs(python, ['-B', script, join(root, 'test', 'fixtures', 'golden')]) ? 0 : 1;
} else {
  process.exitCode = compare(python);
}
