import { execFile } from 'node:child_process';
import { readdirSync, realpathSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before } from 'node:test';
import { promisify } from 'node:util';
import { importScript } from '../../scripts/support/script.js';
import { projectRoot } from '../../support/paths.js';

const { findToolkit, compileFlags } = await importScript<{
  findToolkit(): string | null;
  readonly compileFlags: readonly string[];
}>('setup/cuda-toolkit.mjs');
export const toolkit = findToolkit();

/** Why the kernels cannot be compiled here, or `false`: for the `skip` of a test. */
export const skip = toolkit === null ? 'no CUDA toolkit, whose headers the kernels include' : false;

const nvcc = join(toolkit ?? '', 'bin', 'nvcc');
const tests = join(projectRoot, 'test', 'cuda');
/** Of tests: each is one file's, and its name the program's first word. */
export const groups = ['images', 'norm', 'pool', 'loss', 'optimizer'];

const compiler = process.env.CXX ?? 'c++';
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

const run = promisify(execFile);

// GCC does not know nvcc's pragmas, and takes values that a switch over all cases sets for uninitialised.
const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas', '-Wno-maybe-uninitialized'];

/** @param platform the folder of tests/cuda that says where kernels run */
function includes(native: string, platform: 'emulator' | 'device'): readonly string[] {
  const own = [native, join(projectRoot, 'native'), tests, join(tests, platform)].map((folder) => `-I${folder}`);
  return [...own, '-isystem', join(toolkit ?? '', 'include')];
}

async function compile(source: string, object: string, native: string): Promise<void> {
  const language = source.endsWith('.cu') ? ['-x', 'c++'] : [];
  const args = ['-std=c++20', '-O1', '-g1', '-fno-strict-aliasing', ...warnings, ...sanitizers];
  await run(compiler, [...args, ...includes(native, 'emulator'), ...language, '-c', source, '-o', object]);
}

const libtorch = (): string => realpathSync(join(projectRoot, 'vendor', 'libtorch-cpu'));

/** Without sanitizers, which would make a minute of ATen's headers. */
async function compileReference(object: string): Promise<void> {
  const source = join(tests, 'support', 'reference.cc');
  await run(compiler, ['-std=c++20', '-isystem', join(libtorch(), 'include'), '-c', source, '-o', object]);
}

function libtorchFlags(): readonly string[] {
  const folder = join(libtorch(), 'lib');
  return [`-L${folder}`, `-Wl,-rpath,${folder}`, '-ltorch_cpu', '-lc10', '-lgomp'];
}

/** Compiles against libtorch, after a precompiled header; without sanitizers too. */
async function compileHost(source: string, object: string, header: string): Promise<void> {
  // GCC takes its own vector headers for uninitialised.
  const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-maybe-uninitialized', '-Wno-uninitialized'];
  const include = [`-I${join(projectRoot, 'native')}`, '-isystem', join(libtorch(), 'include')];
  const language = source.endsWith('.h') ? ['-x', 'c++-header'] : ['-include', header, '-Winvalid-pch'];
  const args = [
    '-std=c++20',
    '-O1',
    '-fno-math-errno',
    '-fopenmp',
    '-DNDEBUG', // as libtorch is compiled: its classes have other members without
    '-DCPU_CAPABILITY=DEFAULT',
    '-DCPU_CAPABILITY_DEFAULT',
  ];
  await run(compiler, [...args, ...warnings, ...include, ...language, '-c', source, '-o', object]);
}

async function link(objects: readonly string[], program: string): Promise<void> {
  await run(compiler, [...sanitizers, ...objects, '-o', program, ...libtorchFlags()]);
}

/** The files of a folder with this ending. */
function filesOf(folder: string, ending: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const objectOf = (folder: string, source: string): string => join(folder, `${basename(source)}.o`);

const native = join(projectRoot, 'native');
const kernels = (): readonly string[] => filesOf(join(native, 'cuda'), '.cu');

/** So many at a time as there are cores. */
async function allOf(work: (() => Promise<void>)[]): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) await next();
  };
  await Promise.all(Array.from({ length: Math.min(8, availableParallelism()) }, worker));
}

/** What needs a CUDA device or its runtime. */
const deviceOnly = ['stream.cc', 'devices.cc', 'registration.cc', 'step_recorder.cc'];

/**
 * The program that trains on the device's path: the launchers over emulated kernels, and whatever of the native code
 * calls them, without Node and without data.
 */
export async function buildSession(folder: string): Promise<string> {
  const header = join(folder, 'aten.h');
  const room = (name: string): readonly string[] => filesOf(join(native, name), '.cc');
  const host = [
    ...['core', 'model', 'model/vector', 'optim'].flatMap(room),
    ...['captured_step', 'device_step', 'loss', 'session'].map((name) => join(native, 'train', `${name}.cc`)),
    ...room('cuda').filter((source) => !deviceOnly.includes(basename(source))),
    ...filesOf(join(tests, 'session'), '.cc'),
  ];
  const object = (source: string): string =>
    join(folder, `${source.slice(projectRoot.length).replaceAll(/[\\/]/g, '-')}.o`);
  await writeFile(header, '#include "model/aten.h"\n');
  await compileHost(header, `${header}.gch`, header);
  await allOf([
    ...host.map((source) => () => compileHost(source, object(source), header)),
    ...kernels().map((source) => () => compile(source, object(source), native)),
  ]);
  const program = join(folder, 'session');
  await link([...host, ...kernels()].map(object), program);
  return program;
}

/** Compiles the tests, what they are held against, and the kernels; answers the object files. */
async function compileAll(
  folder: string,
  compileTest: (source: string, object: string) => Promise<void>,
  compileKernel: (source: string, object: string) => Promise<void>,
): Promise<readonly string[]> {
  const reference = join(folder, 'reference.o');
  const work = [() => compileReference(reference)];
  const objects = [reference];
  for (const [sources, compiled] of [
    [kernels(), compileKernel],
    [filesOf(tests, '.cc'), compileTest],
  ] as const) {
    for (const source of sources) {
      const object = objectOf(folder, source);
      objects.push(object);
      work.push(() => compiled(source, object));
    }
  }
  await allOf(work);
  return objects;
}

/** The program that runs every kernel in the emulator; its objects stay beside it. */
export async function buildKernels(folder: string): Promise<string> {
  const emulated = (source: string, object: string): Promise<void> => compile(source, object, native);
  const program = join(folder, 'kernels');
  await link(await compileAll(folder, emulated, emulated), program);
  return program;
}

/**
 * The same program for a CUDA device, the kernels compiled by nvcc.
 *
 * @param architecture as nvcc's `-arch`: `sm_90`, or `native` for the devices at hand
 */
export async function buildDeviceKernels(folder: string, architecture: string): Promise<string> {
  const program = join(folder, 'kernels-on-device');
  const objects = await compileAll(
    folder,
    async (source, object) => {
      await run(compiler, [
        '-std=c++20',
        '-O2',
        ...warnings,
        ...includes(native, 'device'),
        '-c',
        source,
        '-o',
        object,
      ]);
    },
    async (source, object) => {
      const flags = [...compileFlags, '-O3', '-lineinfo', `-arch=${architecture}`, `-I${native}`];
      await run(nvcc, [...flags, '-c', source, '-o', object]);
    },
  );
  const runtime = [`-L${join(toolkit ?? '', 'lib64')}`, '-lcudart_static', '-ldl', '-lrt', '-lpthread'];
  await run(compiler, [...objects, '-o', program, ...libtorchFlags(), ...runtime]);
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

/** A program of a group of tests, and the folder that its objects stay in. */
export interface Built {
  readonly folder: string;
  readonly program: string;
}

/** Has a program built before the tests of the group that it is called in, and removed after them. */
export function builtBefore(build: (folder: string) => Promise<string>): Built {
  const built = { folder: '', program: '' };
  before(async () => {
    built.folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    built.program = await build(built.folder);
  });
  after(() => rm(built.folder, { recursive: true, force: true }));
  return built;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs such a program. libtorch is not compiled for sanitizers: what it shares with the program cannot be followed. */
export async function runProgram(
  command: readonly [program: string, ...words: (string | number)[]],
  variables: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const [program, ...words] = command;
  const asan = 'detect_leaks=0:detect_container_overflow=0:detect_stack_use_after_return=0';
  const env = { ...process.env, OMP_NUM_THREADS: '1', ASAN_OPTIONS: asan, ...variables };
  try {
    const { stdout, stderr } = await run(program, words.map(String), { env });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { status: code ?? -1, stdout, stderr };
  }
}
