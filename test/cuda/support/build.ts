import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before } from 'node:test';
import {
  addonObjects,
  allOf,
  archive,
  compiledAsAddon,
  compiledForDevice,
  compiledReference,
  compileProgram,
  emulated,
  filesOf,
  kernels,
  libtorchFlags,
  link,
  linkForDevice,
  native,
  tests,
} from './compiler.js';

/** Of tests: each is one file's, and its name the program's first word. */
export const groups = ['fold', 'grids', 'images', 'norm', 'pool', 'loss', 'optimizer'];

/** Whether a launcher needs CUDA's runtime, or is for the addon that does. */
function isForDevice(source: string): boolean {
  const headers = /#include <(?:cuda|cudnn|c10\/cuda|ATen\/cuda|ATen\/cudnn)/;
  return basename(source) === 'registration.cc' || headers.test(readFileSync(source, 'utf8'));
}

/** Of the addon of the CPU variant: what trains, without Node. Of `train` and `data` the linker takes what is called. */
const vectors = process.arch === 'x64' ? ['DEFAULT', 'AVX2', 'AVX512', 'AVX512_BF16'] : ['DEFAULT'];
const rooms = ['core', 'model', 'optim', ...vectors.map((name) => `kernels_${name}`)];

/**
 * The program that trains on the device's path: the launchers over emulated kernels, and the addon's own objects for
 * whatever calls them.
 */
export async function buildSession(folder: string): Promise<string> {
  const launchers = filesOf(join(native, 'cuda'), '.cc').filter((source) => !isForDevice(source));
  const objects = await allOf([
    ...[...launchers, ...filesOf(join(tests, 'session'), '.cc')].map((source) => () => compiledAsAddon(source)),
    ...kernels().map((source) => () => emulated(source)),
  ]);
  const library = join(folder, 'libtrain.a');
  await archive(['train', 'data'].flatMap(addonObjects), library);
  const program = join(folder, 'session');
  const libraries = [library, ...libtorchFlags(), '-ljpeg', '-ldl', '-pthread'];
  await link([...objects, ...rooms.flatMap(addonObjects)], program, libraries);
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
