#!/usr/bin/env node
/**
 * `npm run build:cuda-kernels`: compiles every kernel with nvcc for all architectures of the CUDA libtorch, warnings
 * being errors, and writes what each takes of a multiprocessor to docs/cuda-resources.md. A kernel that spills registers
 * is a failure. What is compiled already is not compiled again. Without nvcc it says so and exits with 3.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseResources, tableOf } from './cuda/resources.mjs';
import { architectures, compileFlags, findToolkit } from './setup/cuda-toolkit.mjs';
import { SetupError } from './setup/errors.mjs';
import { run, tryRun } from './setup/run.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const kernels = join(root, 'native', 'cuda');
const cache = join(root, '.cache', 'cuda-kernels');

/** @typedef {import('./cuda/resources.mjs').Resources} Resources */

/** Of all that a kernel's compilation may depend on. @param {string} compiler */
function sourcesHash(compiler) {
  const hash = createHash('sha256').update(compiler).update(compileFlags.join(' '));
  for (const name of readdirSync(kernels).sort())
    if (!name.endsWith('.cu')) hash.update(name).update(readFileSync(join(kernels, name)));
  return hash.digest('hex');
}

/**
 * @param {string} nvcc
 * @param {string} file
 * @param {string} architecture
 * @param {string} common
 * @returns {Promise<Resources[]>}
 */
async function compile(nvcc, file, architecture, common) {
  const source = join(kernels, file);
  const key = createHash('sha256').update(common).update(architecture).update(readFileSync(source)).digest('hex');
  const kept = join(cache, `${file}-sm_${architecture}-${key.slice(0, 16)}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'));
  // The host's part is the same for all architectures: once is enough.
  const form = architecture === architectures[0] ? '-c' : '-cubin';
  const object = join(tmpdir(), `resnet-torch-${process.pid}-${file}-${architecture}.o`);
  const output = await run(`Compiling ${file} for sm_${architecture}`, nvcc, [
    ...compileFlags,
    `-arch=sm_${architecture}`,
    '-Xptxas',
    '-v',
    `-I${join(root, 'native')}`,
    form,
    source,
    '-o',
    object,
  ]);
  await tryRun('rm', ['-f', object]);
  const resources = parseResources(output);
  mkdirSync(cache, { recursive: true });
  writeFileSync(kept, JSON.stringify(resources));
  process.stdout.write(`${file} for sm_${architecture}: ${resources.length} kernels\n`);
  return resources;
}

/** @param {string} toolkit */
async function compileAll(toolkit) {
  const nvcc = join(toolkit, 'bin', 'nvcc');
  const version = /release (\S+),/.exec(await run('nvcc', nvcc, ['--version']))?.[1] ?? 'of unknown version';
  const common = sourcesHash(version);
  const files = readdirSync(kernels)
    .filter((name) => name.endsWith('.cu'))
    .sort();
  const work = files.flatMap((file) => architectures.map((architecture) => ({ file, architecture })));
  /** @type {Map<string, Resources[]>} */
  const byFile = new Map(files.map((file) => [file, []]));
  const worker = async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift())
      byFile.get(next.file)?.push(...(await compile(nvcc, next.file, next.architecture, common)));
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
  return { version, byFile };
}

/** @param {string} version @param {ReadonlyMap<string, readonly Resources[]>} byFile */
function report(version, byFile) {
  const all = [...byFile.values()].flat();
  return [
    '# What the kernels take',
    '',
    `Written by \`npm run build:cuda-kernels\` from what ptxas of CUDA ${version} says: registers of a thread for each`,
    'architecture, and bytes of shared memory of a block. Blocks have 256 threads; a multiprocessor has 65,536 registers.',
    `${all.length / architectures.length} kernels, compiled without a warning; spills to memory: none.`,
    '',
    ...[...byFile].map(([file, resources]) => `${tableOf(`native/cuda/${file}`, resources, architectures)}\n`),
  ].join('\n');
}

const toolkit = findToolkit();
if (toolkit === null) {
  process.stderr.write('No nvcc: the kernels were not compiled. Install the CUDA toolkit, or name it by CUDA_HOME.\n');
  process.exit(3);
}
try {
  const { version, byFile } = await compileAll(toolkit);
  const spilling = [...byFile.values()].flat().filter((entry) => entry.spills > 0 || entry.stack > 0);
  for (const entry of spilling)
    process.stderr.write(
      `${entry.kernel} on sm_${entry.architecture}: ${entry.spills} bytes of spills, ${entry.stack} of stack\n`,
    );
  if (spilling.length > 0) throw new SetupError('Kernels that spill are slow: use fewer registers.');
  writeFileSync(join(root, 'docs', 'cuda-resources.md'), report(version, byFile));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
