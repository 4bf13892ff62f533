import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
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

export const native = join(projectRoot, 'native');
export const tests = join(projectRoot, 'test', 'cuda');
export const compiler = process.env.CXX ?? 'c++';
export const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
// GCC does not know nvcc's pragmas, and takes values that a switch over all cases sets for uninitialised.
export const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas', '-Wno-maybe-uninitialized'];

const run = promisify(execFile);
/** Where there is that of CUDA alone, it serves: what the tests compute with it is computed on the CPU. */
function libtorch(): string {
  const cpu = join(projectRoot, 'vendor', 'libtorch-cpu');
  return realpathSync(existsSync(cpu) ? cpu : join(projectRoot, 'vendor', 'libtorch-cuda'));
}

/** @param platform the folder of test/cuda that says where kernels run */
export function includes(platform: 'emulator' | 'device'): readonly string[] {
  const own = [native, tests, join(tests, platform)].map((folder) => `-I${folder}`);
  return [...own, '-isystem', join(toolkit ?? '', 'include')];
}

/** The files of a folder with this ending. */
export function filesOf(folder: string, ending: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

export const kernels = (): readonly string[] => filesOf(join(native, 'cuda'), '.cu');

/** So many at a time as there are cores; answers in their order. */
export async function allOf<T>(work: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < work.length) {
      const place = next++;
      results[place] = await (work[place] as () => Promise<T>)();
    }
  };
  await Promise.all(Array.from({ length: Math.min(8, availableParallelism()) }, worker));
  return results;
}

/** A hash of what any object may be made from beside its own source: headers, compiler, libtorch, the addon's build. */
function surroundings(): string {
  const hash = createHash('sha256')
    .update(execFileSync(compiler, ['--version']))
    .update(libtorch());
  for (const folder of [native, tests]) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort())
      if (/\.(h|cuh)$/.test(name)) hash.update(name).update(readFileSync(join(folder, name)));
  }
  if (existsSync(addonCommands)) hash.update(readFileSync(addonCommands));
  return hash.digest('hex').slice(0, 16);
}

/** Where compiled objects are kept: several suites need the same ones. Those of other sources go. */
function keptObjects(): string {
  const all = join(projectRoot, '.cache', 'cuda-tests');
  const kept = join(all, surroundings());
  mkdirSync(kept, { recursive: true });
  for (const other of filesOf(all, '')) if (other !== kept) rmSync(other, { recursive: true });
  return kept;
}

let kept: string | undefined;

/** Compiles a source where that was not done before, and answers its object. */
async function compiled(program: string, args: readonly string[], source: string): Promise<string> {
  kept ??= keptObjects();
  const hash = createHash('sha256').update(program).update(args.join('\0')).update(source).update(readFileSync(source));
  const object = join(kept, `${basename(source)}-${hash.digest('hex').slice(0, 16)}.o`);
  if (existsSync(object)) return object;
  const partial = `${object}.${process.pid}.o`;
  await run(program, [...args, '-c', source, '-o', partial]);
  renameSync(partial, object);
  return object;
}

/** For the emulator, under sanitizers. */
export function emulated(source: string): Promise<string> {
  const language = source.endsWith('.cu') ? ['-x', 'c++'] : [];
  const args = ['-std=c++20', '-O1', '-g1', '-fno-strict-aliasing', ...warnings, ...sanitizers];
  return compiled(compiler, [...args, ...includes('emulator'), ...language], source);
}

/** What the kernels are held against. Without sanitizers, which would make a minute of ATen's headers. */
export function compiledReference(): Promise<string> {
  const args = ['-std=c++20', '-isystem', join(libtorch(), 'include')];
  return compiled(compiler, args, join(tests, 'support', 'reference.cc'));
}

const addonBuild = join(projectRoot, 'addons', 'cpu', 'build');
const addonCommands = join(addonBuild, 'compile_commands.json');

/** The objects that the addon of the CPU variant was linked from, of a target of its build. */
export function addonObjects(target: string): readonly string[] {
  const folder = join(addonBuild, 'CMakeFiles', `${target}.dir`);
  const objects = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.o'));
  return objects.map((name) => join(folder, name));
}

/** Compiles a source as the addon's files over ATen are, with their precompiled header. */
export function compiledAsAddon(source: string): Promise<string> {
  const model = join(native, 'model', 'compiled.cc');
  const commands = JSON.parse(readFileSync(addonCommands, 'utf8')) as { file: string; command: string }[];
  const command = commands.find(({ file }) => file === model)?.command;
  if (command === undefined) throw new Error(`${addonCommands} does not say how ${model} is compiled`);
  const [program = '', ...words] = command.split(' ').filter((word) => word !== '');
  // Less optimized, for the time that it takes; GCC sees overflows in sums of strings that are none.
  const args = [...words.slice(0, words.indexOf('-o')), '-O1', '-Wno-stringop-overflow'];
  return compiled(program, args, source);
}

export function libtorchFlags(): readonly string[] {
  const folder = join(libtorch(), 'lib');
  return [`-L${folder}`, `-Wl,-rpath,${folder}`, '-ltorch_cpu', '-lc10', '-lgomp'];
}

/** A library of which the linker takes what is called. */
export async function archive(objects: readonly string[], library: string): Promise<void> {
  await run('ar', ['qcs', library, ...objects]);
}

export async function link(objects: readonly string[], program: string, libraries = libtorchFlags()): Promise<void> {
  await run(compiler, [...sanitizers, ...objects, '-o', program, ...libraries]);
}

/** Compiles and links a program of one file, without sanitizers. */
export async function compileProgram(source: string, program: string, flags: readonly string[]): Promise<void> {
  const toolkitHeaders = ['-isystem', join(toolkit ?? '', 'include')];
  await run(compiler, ['-std=c++20', '-O1', ...warnings, ...toolkitHeaders, source, ...flags, '-o', program]);
}

/** For a CUDA device: kernels by nvcc, the rest without sanitizers. Not kept: the device may be another next time. */
export async function compiledForDevice(source: string, object: string, architecture: string): Promise<void> {
  if (source.endsWith('.cu')) {
    const flags = [...compileFlags, '-O3', '-lineinfo', `-arch=${architecture}`, `-I${native}`];
    await run(join(toolkit ?? '', 'bin', 'nvcc'), [...flags, '-c', source, '-o', object]);
    return;
  }
  await run(compiler, ['-std=c++20', '-O2', ...warnings, ...includes('device'), '-c', source, '-o', object]);
}

export async function linkForDevice(objects: readonly string[], program: string): Promise<void> {
  const runtime = [`-L${join(toolkit ?? '', 'lib64')}`, '-lcudart_static', '-ldl', '-lrt', '-lpthread'];
  // A libtorch of CUDA needs libraries that it finds itself, and the linker does not.
  const flags = ['-Wl,--allow-shlib-undefined', ...libtorchFlags(), ...runtime];
  await run(compiler, [...objects, '-o', program, ...flags]);
}
