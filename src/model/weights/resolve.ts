import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { ResnetTorchError } from '../../errors.js';
import { fileError, systemCode } from '../../files.js';
import { invalidArgument, nearest } from '../../options.js';
import type { ArchitectureName } from '../architecture.js';
import { cacheDirectory } from './cache.js';
import { download, Unavailable } from './download.js';
import { refuseOtherMember } from './family.js';
import {
  DOWNLOAD_BASE,
  hashPrefixOf,
  NAMED_WEIGHTS,
  type NamedSource,
  type NamedWeights,
  type Preprocessing,
  readNamedSource,
  type WeightsName,
  weightsOf,
} from './registry.js';
import { recordHash, verifyCached } from './verify.js';

/**
 * Published weights by name, `none` for random ones, or the path of a `.safetensors` or `.pth` file. A name without an
 * architecture is of the model's own: `imagenet-v1` of a resnet18 is `resnet18:imagenet-v1`.
 */
export type WeightsSource = WeightsName | `${ArchitectureName}:${WeightsName}` | 'none' | (string & {});

export interface ResolvedWeights {
  /** `null`: start from random values. */
  readonly path: string | null;
  /** How the weights' publisher prepares images for evaluation, where that is known. */
  readonly preprocessing: Preprocessing | null;
  /** For people: the name, the path, or `random`. */
  readonly label: string;
}

export interface ResolveOptions {
  /** Bytes downloaded so far, and in all where the server says so. Not called when nothing is downloaded. */
  readonly onProgress?: ((bytes: number, total: number | null) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where named weights come from and go to, and which there are; only tests choose. */
export interface WeightsStore {
  readonly baseUrl: string;
  readonly cache: string;
  /** Default: torchvision's. */
  readonly named?: readonly NamedWeights[];
  readonly retryMs?: number;
}

/**
 * The file of some weights. Named ones are downloaded once, checked against the SHA-256 digits in their name, and kept
 * in the cache directory with their whole hash beside them, by which they are checked again when they were touched. A
 * proxy is used where Node.js' `fetch` uses one.
 *
 * @param arch the model's
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` when the architecture has no weights of the name, `ERR_SHAPE_MISMATCH` when
 *   they are another's, `ERR_WEIGHTS_UNAVAILABLE` when named weights cannot be had, `ERR_DOWNLOAD` when they arrive
 *   damaged, `ERR_WEIGHTS_FORMAT` when those in the cache are others by now, `ERR_FILE` when there is no such file; rejects with the signal's reason when it is aborted.
 */
export async function resolveWeights(
  source: WeightsSource,
  arch: ArchitectureName,
  options: ResolveOptions = {},
  store: WeightsStore = { baseUrl: DOWNLOAD_BASE, cache: cacheDirectory() },
): Promise<ResolvedWeights> {
  if (source === 'none') return { path: null, preprocessing: null, label: 'random' };
  const asked = readNamedSource(source);
  if (asked === null) return resolveFile(source, arch);
  const named = findNamed(asked, arch, store.named ?? NAMED_WEIGHTS);
  const path = join(store.cache, named.file);
  if (await exists(path)) await verifyCached(path, hashPrefixOf(named.file), options.signal);
  else await fetchNamed(named, path, options, store);
  return { path, preprocessing: named.preprocessing, label: named.name };
}

function findNamed(asked: NamedSource, arch: ArchitectureName, all: readonly NamedWeights[]): NamedWeights {
  const of = asked.arch ?? arch;
  refuseOtherMember(`${of}:${asked.name}`, of, arch);
  const named = all.find((weights) => weights.arch === of && weights.name === asked.name);
  if (named !== undefined) return named;
  const there = weightsOf(of, all);
  throw invalidArgument(
    `There are no weights ${asked.name} of a ${of}: ${there.length === 0 ? 'none are published' : `it has ${there.join(' and ')}`}.`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw fileError('read the weights', path, error);
  }
}

async function fetchNamed(
  named: NamedWeights,
  path: string,
  options: ResolveOptions,
  store: WeightsStore,
): Promise<void> {
  const url = new URL(named.file, store.baseUrl).href;
  const { onProgress, signal } = options;
  const retry = store.retryMs === undefined ? {} : { retryMs: store.retryMs };
  try {
    const sha256 = await download({ url, path, sha256: hashPrefixOf(named.file), onProgress, signal, ...retry });
    await recordHash(path, sha256);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    throw new ResnetTorchError(
      'ERR_WEIGHTS_UNAVAILABLE',
      `The weights ${named.arch}:${named.name} could not be downloaded from ${url}: ${error.message}. Download that file by hand and name it ` +
        `with --weights FILE (weights: 'FILE'), put it at ${path}, or start from random values with --weights none.`,
      { cause: error },
    );
  }
}

async function resolveFile(path: string, arch: ArchitectureName): Promise<ResolvedWeights> {
  try {
    await stat(path);
  } catch (error) {
    throw systemCode(error) === 'ENOENT' ? noSuchFile(path, arch, error) : fileError('read the weights', path, error);
  }
  // torchvision's files are known by name wherever they lie.
  const published = NAMED_WEIGHTS.find(({ file }) => file === basename(path));
  return { path, preprocessing: published?.preprocessing ?? null, label: path };
}

function noSuchFile(source: string, arch: ArchitectureName, cause: unknown): ResnetTorchError {
  const names = [...weightsOf(arch), 'none'];
  const whole = NAMED_WEIGHTS.map((weights) => `${weights.arch}:${weights.name}`);
  const close = extname(source) === '' ? nearest(source, [...names, ...whole]) : undefined;
  const hint = close === undefined ? '' : ` Did you mean ${close}?`;
  return new ResnetTorchError(
    'ERR_FILE',
    `No weights ${source}: there is no such file, and the named weights of a ${arch} are ${names.join(', ')}.${hint}`,
    { cause },
  );
}
