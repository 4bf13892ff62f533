/** Finds a libtorch and puts it, by a link, at vendor/libtorch-<variant>, where the addon's run path points. */

import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { checkLibraries, listLibraries } from './contents.mjs';
import { download, HashMismatch } from './download.mjs';
import { reasonOf, SetupError } from './errors.mjs';
import { inspectLibtorch, libtorchWithin } from './inspect.mjs';
import { byteProgress, step, warn } from './output.mjs';
import { officialArchive, officialBase, pinnedLibtorch } from './pins.mjs';
import { installedTorch } from './python.mjs';
import { unzip } from './unzip.mjs';
import { fetchWheel } from './wheel.mjs';
import { listZip } from './zip-directory.mjs';

/** @typedef {import('./pins.mjs').Variant} Variant */

/**
 * @typedef {object} Libtorch
 * @property {string} folder vendor/libtorch-<variant>
 * @property {string} version
 */

/**
 * @typedef {object} Trust what may be downloaded
 * @property {string | undefined} url base address in place of the official one, or a whole archive's
 * @property {string | undefined} sha256 of the archive, in hex
 * @property {boolean} allowUnverified whether a file is taken whose hash is not known
 * @property {boolean} allowHttp whether an address may be one of http
 */

/**
 * @param {string} root the package's folder
 * @param {Variant} variant
 * @param {Trust} trust
 * @returns {Promise<Libtorch>}
 */
export async function provideLibtorch(root, variant, trust) {
  const folder = join(root, 'vendor', `libtorch-${variant}`);
  const pinned = pinnedLibtorch[variant];
  const own = process.env.RESNET_TORCH_LIBTORCH;
  if (own) return useOwn(folder, variant, own);

  const downloads = [
    { what: 'wheel through pip', find: () => store(root, variant, (partial) => fetchWheel(variant, partial, trust)) },
    { what: 'archive', find: () => fetchArchive(root, variant, trust) },
  ];
  // An archive that was named goes first; else the wheels, whose hashes are known.
  if (trust.url !== undefined || trust.sha256 !== undefined) downloads.reverse();
  /** @type {readonly { what: string, find: () => Promise<string> }[]} */
  const sources = [
    { what: relative(root, folder), find: async () => folder },
    ...downloads,
    { what: "Python's own torch", find: findInstalled },
  ];
  const tried = [];
  for (const { what, find } of sources) {
    try {
      const found = await find();
      const version = inspectLibtorch(found, variant);
      if (version !== pinned) throw new SetupError(`it is of version ${version}, not ${pinned}`);
      if (found === folder) checkLibraries(storedWith(folder));
      else await link(folder, found);
      step('libtorch', `${version} (${variant}), ${found === folder ? 'there already' : `from: ${what}`}`);
      return { folder, version };
    } catch (error) {
      if (error instanceof HashMismatch || (!(error instanceof SetupError) && !isSystemError(error))) throw error;
      const reason = reasonOf(error);
      tried.push(`  ${what}: ${reason}`);
      step('libtorch', `${what}: ${reason}`);
    }
  }
  throw new SetupError(
    `No libtorch ${pinned} (${variant}) could be had. Tried:\n${tried.join('\n')}\n` +
      `Download it from https://pytorch.org (LibTorch, C++), unpack it, and name its folder: ` +
      `RESNET_TORCH_LIBTORCH=/path/to/libtorch npx resnet-torch setup${variant === 'cuda' ? ' --device cuda' : ''}`,
  );
}

/** Errors of files and connections; fetch() throws a TypeError with such a cause. @param {unknown} error */
function isSystemError(error) {
  if (!(error instanceof Error)) return false;
  return 'code' in error || error.cause instanceof Error || error.name === 'AbortError';
}

/**
 * A libtorch that the user named is used whatever its version (the sources compile against several), or refused: never
 * passed over.
 *
 * @param {string} folder @param {Variant} variant @param {string} own
 */
async function useOwn(folder, variant, own) {
  const found = libtorchWithin(resolve(own));
  let version;
  try {
    version = inspectLibtorch(found, variant);
  } catch (error) {
    throw new SetupError(`RESNET_TORCH_LIBTORCH cannot be used: ${reasonOf(error)}`);
  }
  const isThere = existsSync(folder) && realpathSync(folder) === realpathSync(found);
  if (!isThere) await link(folder, found);
  const pinned = pinnedLibtorch[variant];
  const note = version === pinned ? '' : `; this package is tested with ${pinned}`;
  step('libtorch', `${version} (${variant}), RESNET_TORCH_LIBTORCH${note}`);
  return { folder, version };
}

async function findInstalled() {
  const folder = await installedTorch();
  if (folder === null) throw new SetupError('no Python here has torch installed');
  return folder;
}

/** @param {string} root @param {Variant} variant @param {Trust} trust */
async function fetchArchive(root, variant, { url, sha256, allowUnverified, allowHttp }) {
  const address = archiveAddress(variant, url);
  if (sha256 === undefined && !allowUnverified) {
    throw new SetupError(
      `the SHA-256 of ${address} is not known: --sha256 HEX says what it must be, --allow-unverified takes it without`,
    );
  }
  return store(root, variant, async (partial) => {
    step('libtorch', `downloading ${address}`);
    const archive = join(partial, 'archive.zip');
    await download(address, archive, { sha256, allowHttp });
    if (sha256 === undefined) {
      warn(
        'The archive is taken without a known SHA-256, as --allow-unverified says: it is native code of unproven origin.',
      );
    }
    const total = (await listZip(archive)).reduce((sum, member) => sum + member.compressedSize, 0);
    const progress = byteProgress('             unpack', total);
    const place = (/** @type {string} */ path) => (/^libtorch\/(include|lib|share)\//.test(path) ? path : null);
    const count = await unzip(archive, partial, place, (bytes) => progress.add(bytes));
    progress.end();
    if (count === 0) throw new SetupError('the archive holds no libtorch/');
    await rm(archive);
  });
}

/** @param {Variant} variant @param {string | undefined} url */
export function archiveAddress(variant, url) {
  if (url?.endsWith('.zip')) return url;
  const archive = officialArchive(variant);
  if (archive === null) {
    throw new SetupError(`PyTorch publishes no libtorch for ${process.platform}-${process.arch} (${variant})`);
  }
  return `${(url ?? officialBase).replace(/\/+$/, '')}/${archive}`;
}

/**
 * Fills a temporary folder and renames it when it is whole: an interrupted set-up leaves nothing that looks finished.
 *
 * @param {string} root
 * @param {Variant} variant
 * @param {(partial: string) => Promise<void>} fill
 */
async function store(root, variant, fill) {
  const stores = join(root, 'vendor', 'store');
  const final = join(stores, `${variant}-${pinnedLibtorch[variant]}`);
  const partial = `${final}.partial-${process.pid}`;
  await mkdir(stores, { recursive: true });
  await dropAbandoned(stores);
  await mkdir(partial);
  try {
    await fill(partial);
    inspectLibtorch(libtorchWithin(partial), variant);
    await listLibraries(partial);
    await rm(final, { recursive: true, force: true });
    await rename(partial, final);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return libtorchWithin(final);
}

/** The folder of the store that a libtorch was unpacked into, where it was. @param {string} folder */
function storedWith(folder) {
  return join(realpathSync(folder), '..');
}

/** Partial folders of set-ups that were killed. @param {string} stores */
async function dropAbandoned(stores) {
  for (const name of await readdir(stores)) {
    const pid = Number(name.match(/\.partial-(\d+)$/)?.[1]);
    if (pid && !isRunning(pid)) await rm(join(stores, name), { recursive: true, force: true });
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * Points vendor/libtorch-<variant> at a folder, atomically. A real folder that someone put there is set aside, not removed.
 *
 * @param {string} place
 * @param {string} target
 */
async function link(place, target) {
  const vendor = join(place, '..');
  await mkdir(vendor, { recursive: true });
  const inside = relative(vendor, target);
  const temporary = `${place}.link-${process.pid}`;
  await rm(temporary, { force: true });
  await symlink(inside.startsWith('..') || isAbsolute(inside) ? resolve(target) : inside, temporary);
  if (existsSync(place) && !lstatSync(place).isSymbolicLink()) {
    const aside = `${place}.replaced-${Date.now()}`;
    await rename(place, aside);
    step('libtorch', `what was at ${place} is now at ${aside}`);
  }
  await rename(temporary, place);
}
