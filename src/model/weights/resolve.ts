import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { ResnetTorchError } from '../../errors.js';
import { fileError, systemCode } from '../../files.js';
import { nearest } from '../../options.js';
import { cacheDirectory } from './cache.js';
import { download, Unavailable } from './download.js';
import { DOWNLOAD_BASE, hashPrefixOf, NAMED_WEIGHTS, type NamedWeights, type Preprocessing } from './registry.js';
import { recordHash, verifyCached } from './verify.js';

/** Published weights by name, `none` for random ones, or the path of a `.safetensors` or `.pth` file. */
export type WeightsSource = 'imagenet-v1' | 'imagenet-v2' | 'none' | (string & {});

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
 * @throws ResnetTorchError `ERR_WEIGHTS_UNAVAILABLE` when named weights cannot be had, `ERR_DOWNLOAD` when they arrive
 *   damaged, `ERR_WEIGHTS_FORMAT` when those in the cache are others by now, `ERR_FILE` when there is no such file; rejects with the signal's reason when it is aborted.
 */
export async function resolveWeights(
  source: WeightsSource,
  options: ResolveOptions = {},
  store: WeightsStore = { baseUrl: DOWNLOAD_BASE, cache: cacheDirectory() },
): Promise<ResolvedWeights> {
  if (source === 'none') return { path: null, preprocessing: null, label: 'random' };
  const named = (store.named ?? NAMED_WEIGHTS).find(({ name }) => name === source);
  if (named === undefined) return resolveFile(source);
  const path = join(store.cache, named.file);
  if (await exists(path)) await verifyCached(path, hashPrefixOf(named.file), options.signal);
  else await fetchNamed(named, path, options, store);
  return { path, preprocessing: named.preprocessing, label: named.name };
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
      `The weights ${named.name} could not be downloaded from ${url}: ${error.message}. Download that file by hand and name it ` +
        `with --weights FILE (weights: 'FILE'), put it at ${path}, or start from random values with --weights none.`,
      { cause: error },
    );
  }
}

async function resolveFile(path: string): Promise<ResolvedWeights> {
  try {
    await stat(path);
  } catch (error) {
    throw systemCode(error) === 'ENOENT' ? noSuchFile(path, error) : fileError('read the weights', path, error);
  }
  // torchvision's files are known by name wherever they lie.
  const published = NAMED_WEIGHTS.find(({ file }) => file === basename(path));
  return { path, preprocessing: published?.preprocessing ?? null, label: path };
}

function noSuchFile(source: string, cause: unknown): ResnetTorchError {
  const names = [...NAMED_WEIGHTS.map(({ name }) => name), 'none'];
  const close = extname(source) === '' ? nearest(source, names) : undefined;
  const hint = close === undefined ? '' : ` Did you mean ${close}?`;
  return new ResnetTorchError(
    'ERR_FILE',
    `No weights ${source}: there is no such file, and the named weights are ${names.join(', ')}.${hint}`,
    { cause },
  );
}
