import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { download } from './download.mjs';
import { SetupError, say } from './log.mjs';
import { pins } from './pins.mjs';
import { findPython, installedTorch } from './python.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';

/** Version of the libtorch in a folder, such as 2.13.0, or null where there is none. */
export function versionOf(folder) {
  for (const name of ['torch/headeronly/version.h', 'torch/version.h', 'torch/csrc/api/include/torch/version.h']) {
    const file = join(folder, 'include', name);
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8');
    const part = (which) => text.match(new RegExp(`#define TORCH_VERSION_${which} (\\d+)`))?.[1];
    if (part('MAJOR') !== undefined) return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
  }
  return null;
}

/**
 * The libtorch of a variant, found or fetched, in this order: RESNET_TORCH_LIBTORCH; vendor/; the official
 * distribution; the wheel through pip; the torch of the user's Python. It always ends in vendor/libtorch-<variant>,
 * to which the addon's run path leads; a libtorch that lies elsewhere is linked there.
 *
 * @param {'cpu' | 'cuda'} variant
 * @param {{ url?: string | undefined, sha256?: string | undefined }} options
 * @returns {Promise<{ folder: string, version: string }>}
 */
export async function findLibtorch(variant, options = {}) {
  const place = join(root, 'vendor', `libtorch-${variant}`);
  const { version } = pins[variant];
  const own = process.env.RESNET_TORCH_LIBTORCH;
  if (own) return linkOwn(resolve(own), place);
  if (versionOf(place) === version) return { folder: place, version };

  mkdirSync(join(root, 'vendor'), { recursive: true });
  const tried = [];
  for (const [name, source] of sources(variant, options)) {
    say(`libtorch ${version}: trying ${name}`);
    const work = mkdtempSync(join(root, 'vendor', '.incoming-'));
    try {
      const found = await source(work);
      const met = versionOf(found);
      if (met !== version) throw new SetupError(met === null ? 'holds no libtorch' : `is of version ${met}`);
      putInPlace(found, place);
      say(`libtorch ${version} is in ${place}`);
      return { folder: place, version };
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      say(`  ${error.message}`);
      tried.push(`  ${name}: ${error.message}`);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  throw new SetupError(
    [
      `libtorch ${version} (${variant}) was not found. What was tried:`,
      `  ${place}: ${versionOf(place) ?? 'nothing there'}`,
      ...tried,
      `Download it from https://pytorch.org/get-started/locally (LibTorch, C++, ${variant === 'cpu' ? 'CPU' : 'CUDA'}), unpack it,`,
      'and set RESNET_TORCH_LIBTORCH to the folder that holds its include/ and lib/.',
    ].join('\n'),
  );
}

function linkOwn(folder, place) {
  const version = versionOf(folder);
  if (version === null) {
    throw new SetupError(`RESNET_TORCH_LIBTORCH is ${folder}, which holds no libtorch: it must have include/ and lib/.`);
  }
  say(`libtorch ${version} from RESNET_TORCH_LIBTORCH: ${folder}`);
  if (folder !== place) putInPlace(folder, place);
  return { folder: place, version };
}

/** Moves what lies below vendor/ into its place, and links what lies elsewhere. What was there before goes last. */
function putInPlace(found, place) {
  mkdirSync(join(root, 'vendor'), { recursive: true });
  const old = `${place}.old-${process.pid}`;
  const isThere = lstatSync(place, { throwIfNoEntry: false }) !== undefined;
  if (isThere) renameSync(place, old);
  const isOurs = found.startsWith(join(root, 'vendor', '.incoming-'));
  if (isOurs) renameSync(found, place);
  else symlinkSync(found, place, process.platform === 'win32' ? 'junction' : 'dir');
  if (isThere) rmSync(old, { recursive: true, force: true });
}

/** Where else a libtorch may come from: each puts it into a folder below `work`, or says why not. */
function sources(variant, options) {
  const pin = pins[variant];
  const url = options.url ?? pin.zip;
  const official = async (work) => {
    if (url === null) throw new SetupError('there is no distribution for this system');
    const zip = join(work, 'libtorch.zip');
    await download(url, zip, { sha256: options.sha256 });
    if (options.sha256 === undefined) say('  no SHA-256 is known for it: it is checked by the checksums of its files');
    await unpack(zip, work);
    rmSync(zip);
    return join(work, 'libtorch');
  };
  const wheel = async (work) => {
    const python = findPython();
    if (python === null) throw new SetupError('there is no Python 3.9 or newer to run pip with');
    const files = await pipDownload(python, [pin.wheel], work);
    if (variant === 'cuda') files.push(...(await pipDownload(python, cudaWheels, work)));
    for (const file of files) {
      await unpack(file, work);
      rmSync(file);
    }
    // The CUDA libraries of the wheel look for ../../nvidia beside the folder that holds them.
    if (existsSync(join(work, 'nvidia'))) renameSync(join(work, 'nvidia'), join(work, 'torch', 'nvidia'));
    return join(work, 'torch');
  };
  const installed = async () => {
    const python = findPython();
    const torch = python === null ? null : installedTorch(python);
    if (torch === null) throw new SetupError('no torch is installed there');
    return torch.folder;
  };
  return [
    [url === pin.zip ? 'the official distribution' : url, official],
    [`the wheel ${pin.wheel} through pip`, wheel],
    ["the torch of your Python", installed],
  ];
}

const cudaWheels = [
  'nvidia-cublas', 'nvidia-cuda-cupti', 'nvidia-cuda-nvrtc', 'nvidia-cuda-runtime', 'nvidia-cudnn-cu13', 'nvidia-cufft', 'nvidia-cufile',
  'nvidia-curand', 'nvidia-cusolver', 'nvidia-cusparse', 'nvidia-cusparselt-cu13', 'nvidia-nccl-cu13', 'nvidia-nvjitlink', 'nvidia-nvshmem-cu13', 'nvidia-nvtx',
];

/** Wheels from wherever pip is told to look, without what they depend on. */
async function pipDownload(python, names, work) {
  const before = new Set(readdirSync(work));
  const flags = ['--no-deps', '--only-binary', ':all:', '--retries', '0', '--timeout', '15', '--disable-pip-version-check', '-q'];
  try {
    await run(python, ['-m', 'pip', 'download', ...flags, '-d', work, ...names], { quiet: true });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    throw new SetupError(`pip could not get it`);
  }
  return readdirSync(work)
    .filter((name) => name.endsWith('.whl') && !before.has(name))
    .map((name) => join(work, name));
}

/** CMake is needed anyway, unpacks zip files on every system, and checks their checksums. */
async function unpack(zip, folder) {
  try {
    await run('cmake', ['-E', 'tar', 'xf', zip], { cwd: folder, quiet: true });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    throw new SetupError('is no zip file, or a damaged one');
  }
}
