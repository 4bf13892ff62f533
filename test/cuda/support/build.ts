import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before } from 'node:test';
import {
  addonObjects,
  allOf,
  compiledAsAddon,
  compiledForDevice,
  compiledReference,
  compileProgram,
  emulated,
  filesOf,
  kernels,
  link,
  linkForDevice,
  native,
  tests,
} from './compiler.js';

/** Of tests: each is one file's, and its name the program's first word. */
export const groups = ['images', 'norm', 'pool', 'loss', 'optimizer'];

/** What needs a CUDA device or its runtime. */
const deviceOnly = ['stream.cc', 'devices.cc', 'registration.cc'];

/** Of the addon of the CPU variant: what trains, without Node and without data. */
const rooms = ['core', 'model', 'optim', 'kernels_DEFAULT', 'kernels_AVX2', 'kernels_AVX512', 'kernels_AVX512_BF16'];
const trainFiles = ['device_step', 'loss', 'session'];

function sessionObjects(): readonly string[] {
  const train = addonObjects('train').filter((object) => trainFiles.includes(basename(object, '.cc.o')));
  return [...rooms.filter(isBuilt).flatMap(addonObjects), ...train];
}

/** Kernels are compiled for the instruction sets that the processor's family has. */
function isBuilt(room: string): boolean {
  return !room.startsWith('kernels_') || room === 'kernels_DEFAULT' || process.arch === 'x64';
}

/**
 * The program that trains on the device's path: the launchers over emulated kernels, and the addon's own objects for
 * whatever calls them.
 */
export async function buildSession(folder: string): Promise<string> {
  const launchers = filesOf(join(native, 'cuda'), '.cc').filter((source) => !deviceOnly.includes(basename(source)));
  const objects = await allOf([
    ...[...launchers, ...filesOf(join(tests, 'session'), '.cc')].map((source) => () => compiledAsAddon(source)),
    ...kernels().map((source) => () => emulated(source)),
  ]);
  const program = join(folder, 'session');
  await link([...objects, ...sessionObjects()], program);
  return program;
}

/** The program that runs every kernel in the emulator. */
export async function buildKernels(folder: string): Promise<string> {
  const sources = [...kernels(), ...filesOf(tests, '.cc')];
  const objects = await allOf([compiledReference, ...sources.map((source) => () => emulated(source))]);
  const program = join(folder, 'kernels');
  await link(objects, program);
  return program;
}

/**
 * The same program for a CUDA device, the kernels compiled by nvcc.
 *
 * @param architecture as nvcc's `-arch`: `sm_90`, or `native` for the devices at hand
 */
export async function buildDeviceKernels(folder: string, architecture: string): Promise<string> {
  const objects = await allOf([
    compiledReference,
    ...[...kernels(), ...filesOf(tests, '.cc')].map((source) => async () => {
      const object = join(folder, `${basename(source)}.o`);
      await compiledForDevice(source, object, architecture);
      return object;
    }),
  ]);
  const program = join(folder, 'kernels-on-device');
  await linkForDevice(objects, program);
  return program;
}

/** The emulator's own tests, which need no libtorch. */
export async function buildFaults(folder: string): Promise<string> {
  const program = join(folder, 'faults');
  await link([await emulated(join(tests, 'emulator', 'faults.cc'))], program, []);
  return program;
}

/** The program that asks cuDNN for engines; it needs cuDNN alone, without sanitizers, whose memory others would share. */
export async function buildEngines(folder: string, cudnn: string): Promise<string> {
  const program = join(folder, 'engines');
  await compileProgram(join(tests, 'engines', 'engines.cc'), program, [
    ...['-isystem', join(cudnn, 'include')],
    join(cudnn, 'lib', 'libcudnn.so.9'),
    `-Wl,-rpath,${join(cudnn, 'lib')}`,
  ]);
  return program;
}

/** Has a program built before the tests of the group that it is called in, and removed after them. */
export function builtBefore(build: (folder: string) => Promise<string>): { readonly program: string } {
  const built = { program: '' };
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    built.program = await build(folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));
  return built;
}
