import { mkdir, readdir, readFile, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, systemCode, writeFileAtomic } from '../files.js';
import { cacheDirectory } from '../model/weights/index.js';

/** Feature caches on disk: a directory a store, named by what its entries come from, in one directory for all. */

/** What a store holds, in `store.json` beside its segments. */
export interface StoreDescription {
  /** The last unit whose output is kept. */
  readonly unit: string;
  readonly imageSize: number;
  readonly precision: string;
  readonly entryBytes: number;
  readonly created: string;
}

export interface FeatureStoreInfo extends Partial<StoreDescription> {
  readonly key: string;
  readonly path: string;
  /** On disk. */
  readonly bytes: number;
  readonly entries: number;
  /** When a run last opened it, ISO 8601. */
  readonly used: string;
}

const DESCRIPTION = 'store.json';
const KEY = /^[0-9a-f]{32}$/;
const OWN_FILE = /^(?:[0-9a-f]{16}\.(?:data|index)|store\.json|\.store\.json\.[^/]+\.tmp)$/;

/** Of an index file, as native/data/feature_segment.cc writes them: bytes before the records, and of a record. */
const INDEX_HEADER = 48;
const INDEX_RECORD = 32;

export function featureStoresDirectory(): string {
  return join(cacheDirectory(), 'features');
}

/** Says what a store is for, and that it was used now. What cannot be written is left: the store itself will tell. */
export async function describeStore(path: string, description: StoreDescription): Promise<void> {
  const file = join(path, DESCRIPTION);
  try {
    await mkdir(path, { recursive: true });
    const now = new Date();
    const known = await utimes(file, now, now).then(
      () => true,
      () => false,
    );
    if (!known) await writeFileAtomic(file, `${JSON.stringify(description, null, 2)}\n`);
  } catch {
    // A full or read-only disk.
  }
}

/** All stores, the last used first. */
export async function listFeatureStores(directory = featureStoresDirectory()): Promise<readonly FeatureStoreInfo[]> {
  const stores = await Promise.all((await namesIn(directory)).filter((name) => KEY.test(name)).map(inspect));
  return stores.filter((store) => store !== null).sort((a, b) => (a.used < b.used ? 1 : -1));

  async function inspect(key: string): Promise<FeatureStoreInfo | null> {
    const path = join(directory, key);
    let bytes = 0;
    let entries = 0;
    let used = 0;
    for (const name of (await namesIn(path)).filter((name) => OWN_FILE.test(name))) {
      const file = await stat(join(path, name)).catch(() => null);
      if (file === null) continue;
      bytes += file.size;
      used = Math.max(used, file.mtimeMs);
      if (name.endsWith('.index')) entries += Math.max(Math.floor((file.size - INDEX_HEADER) / INDEX_RECORD), 0);
    }
    // A directory that has nothing of ours is not ours.
    if (used === 0) return null;
    return { key, path, bytes, entries, used: new Date(used).toISOString(), ...(await readDescription(path)) };
  }
}

/**
 * Removes stores: their own files, and the directory where nothing else is in it.
 *
 * @param olderThan only those not used since
 * @returns what was removed
 * @throws ERR_FILE when a file cannot be removed
 */
export async function clearFeatureStores(
  o: { readonly olderThan?: Date | undefined; readonly directory?: string } = {},
): Promise<readonly FeatureStoreInfo[]> {
  const stores = await listFeatureStores(o.directory);
  const old = stores.filter(({ used }) => o.olderThan === undefined || used < o.olderThan.toISOString());
  for (const { path } of old) {
    for (const name of (await namesIn(path)).filter((name) => OWN_FILE.test(name))) {
      await rm(join(path, name), { force: true }).catch((error) => {
        throw fileError('remove', join(path, name), error);
      });
    }
    await rmdir(path).catch(() => undefined);
  }
  return old;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw fileError('read', directory, error);
  }
}

async function readDescription(path: string): Promise<Partial<StoreDescription>> {
  try {
    const value: unknown = JSON.parse(await readFile(join(path, DESCRIPTION), 'utf8'));
    if (typeof value !== 'object' || value === null) return {};
    const { unit, imageSize, precision, entryBytes, created } = value as Partial<StoreDescription>;
    return {
      ...(typeof unit === 'string' ? { unit } : {}),
      ...(typeof imageSize === 'number' ? { imageSize } : {}),
      ...(typeof precision === 'string' ? { precision } : {}),
      ...(typeof entryBytes === 'number' ? { entryBytes } : {}),
      ...(typeof created === 'string' ? { created } : {}),
    };
  } catch {
    return {};
  }
}
