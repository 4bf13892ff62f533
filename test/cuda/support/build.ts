import { execFile } from 'node:child_process';
import { readdirSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { importScript } from '../../scripts/support/script.js';
import { projectRoot } from '../../support/paths.js';

const { findToolkit } = await importScript<{ findToolkit(): string | null }>('setup/cuda-toolkit.mjs');
const toolkit = findToolkit();

/** Why the kernels cannot be compiled here, or `false`: for the `skip` of a test. */
export const skip = toolkit === null ? 'no CUDA toolkit, whose headers the kernels include' : false;

const tests = join(projectRoot, 'test', 'cuda');
const compiler = process.env.CXX ?? 'c++';
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

const run = promisify(execFile);

async function compile(source: string, object: string, native: string): Promise<void> {
  const language = source.endsWith('.cu') ? ['-x', 'c++'] : [];
  // GCC does not know nvcc's pragmas, and takes values that a switch over all cases sets for uninitialised.
  const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas', '-Wno-maybe-uninitialized'];
  const include = [`-I${native}`, `-I${join(projectRoot, 'native')}`, `-I${tests}`, `-I${join(tests, 'emulator')}`];
  const args = ['-std=c++20', '-O1', '-g1', '-fno-strict-aliasing', ...warnings, ...sanitizers, ...include];
  await run(compiler, [...args, '-isystem', join(toolkit ?? '', 'include'), ...language, '-c', source, '-o', object]);
}

const libtorch = (): string => realpathSync(join(projectRoot, 'vendor', 'libtorch-cpu'));

/** Without sanitizers, which would make a minute of ATen's headers. */
async function compileReference(object: string): Promise<void> {
  const source = join(tests, 'support', 'reference.cc');
  await run(compiler, ['-std=c++20', '-isystem', join(libtorch(), 'include'), '-c', source, '-o', object]);
}

/** Compiles against libtorch, after a precompiled header; without sanitizers too. */
async function compileHost(source: string, object: string, header: string): Promise<void> {
  // GCC takes its own vector headers for uninitialised.
  const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-maybe-uninitialized', '-Wno-uninitialized'];
  const include = [`-I${join(projectRoot, 'native')}`, '-isystem', join(libtorch(), 'include')];
  const language = source.endsWith('.h') ? ['-x', 'c++-header'] : ['-include', header, '-Winvalid-pch'];
  const args = ['-std=c++20', '-O1', '-fno-math-errno', '-DCPU_CAPABILITY=DEFAULT', '-DCPU_CAPABILITY_DEFAULT'];
  await run(compiler, [...args, ...warnings, ...include, ...language, '-c', source, '-o', object]);
}

async function link(objects: readonly string[], program: string): Promise<void> {
  const libraries = [`-L${join(libtorch(), 'lib')}`, `-Wl,-rpath,${join(libtorch(), 'lib')}`, '-ltorch_cpu', '-lc10'];
  await run(compiler, [...sanitizers, ...objects, '-o', program, ...libraries]);
}

/** The files of a folder with this ending. */
function filesOf(folder: string, ending: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const objectOf = (folder: string, source: string): string => join(folder, `${basename(source)}.o`);

/** So many at a time as there are cores. */
async function allOf(work: (() => Promise<void>)[]): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) await next();
  };
  await Promise.all(Array.from({ length: Math.min(8, availableParallelism()) }, worker));
}

/** What needs a CUDA device or its runtime. */
const deviceOnly = ['stream.cc', 'devices.cc', 'registration.cc'];

/**
 * The program that trains on the device's path: the launchers over emulated kernels, and whatever of the native code
 * calls them, without Node and without data.
 */
export async function buildSession(folder: string): Promise<string> {
  const native = join(projectRoot, 'native');
  const header = join(folder, 'aten.h');
  const room = (name: string): readonly string[] => filesOf(join(native, name), '.cc');
  const host = [
    ...['core', 'model', 'model/vector', 'optim'].flatMap(room),
    ...['device_step', 'loss', 'session'].map((name) => join(native, 'train', `${name}.cc`)),
    ...room('cuda').filter((source) => !deviceOnly.includes(basename(source))),
    ...filesOf(join(tests, 'session'), '.cc'),
  ];
  const kernels = filesOf(join(native, 'cuda'), '.cu');
  const object = (source: string): string =>
    join(folder, `${source.slice(projectRoot.length).replaceAll(/[\\/]/g, '-')}.o`);
  await writeFile(header, '#include "model/aten.h"\n');
  await compileHost(header, `${header}.gch`, header);
  await allOf([
    ...host.map((source) => () => compileHost(source, object(source), header)),
    ...kernels.map((source) => () => compile(source, object(source), native)),
  ]);
  const program = join(folder, 'session');
  await link([...host, ...kernels].map(object), program);
  return program;
}

/** The program that runs every kernel in the emulator; its objects stay beside it. */
export async function buildKernels(folder: string): Promise<string> {
  const native = join(projectRoot, 'native');
  const sources = [...filesOf(join(native, 'cuda'), '.cu'), ...filesOf(tests, '.cc')];
  const work = [
    () => compileReference(join(folder, 'reference.o')),
    ...sources.map((source) => () => compile(source, objectOf(folder, source), native)),
  ];
  const objects = [join(folder, 'reference.o'), ...sources.map((source) => objectOf(folder, source))];
  await allOf(work);
  const program = join(folder, 'kernels');
  await link(objects, program);
  return program;
}

/** The same program with one kernel file compiled anew, against the headers of another copy of native/. */
export async function buildWith(folder: string, native: string, file: string, program: string): Promise<void> {
  const source = join(native, 'cuda', file);
  const changed = `${program}.o`;
  await compile(source, changed, native);
  const own = objectOf(folder, source);
  const others = filesOf(folder, '.o').filter((object) => object !== own);
  await link([changed, ...others], program);
}

/** The emulator's own tests, which need no libtorch. */
export async function buildFaults(program: string): Promise<void> {
  const object = `${program}.o`;
  await compile(join(tests, 'emulator', 'faults.cc'), object, join(projectRoot, 'native'));
  await run(compiler, [...sanitizers, object, '-o', program]);
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs such a program. libtorch is not compiled for sanitizers: what it shares with the program cannot be followed. */
export async function runProgram(program: string, words: readonly (string | number)[]): Promise<Outcome> {
  const asan = 'detect_leaks=0:detect_container_overflow=0:detect_stack_use_after_return=0';
  const env = { ...process.env, OMP_NUM_THREADS: '1', ASAN_OPTIONS: asan };
  try {
    const { stdout, stderr } = await run(program, words.map(String), { env });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { status: code ?? -1, stdout, stderr };
  }
}
