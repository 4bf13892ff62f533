import { createHash } from 'node:crypto';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResNet } from '../model/network.js';
import { versions } from '../model/versions.js';
import type {
  NativeFeatureCache,
  NativeFeatureCacheOptions,
  NativeFeatureCacheStats,
} from '../native/contract/data.js';
import { native } from '../native/load.js';
import type { CacheFigures } from './events.js';
import { type CachePlan, type CacheRoom, planFeatureCache } from './feature-cache.js';
import { describeStore, featureStoresDirectory } from './feature-stores.js';
import type { RunSettings } from './settings.js';

const NOTHING: NativeFeatureCacheStats = { hits: 0, misses: 0, entries: 0, bytes: 0, damaged: 0, stopped: null };

/** The feature cache of a run, which has a plan, or none and a reason. */
export class RunCache {
  #seen = NOTHING;
  #told = false;

  private constructor(
    /** What was decided, and why, for people. */
    readonly note: string,
    readonly plan: CachePlan | null,
    /** For loaders; null without a plan. */
    readonly handle: NativeFeatureCache | null,
    /** The directory of its store; null in memory. */
    readonly path: string | null,
    /** Entries that earlier runs left in it. */
    readonly found: number,
  ) {}

  /** Decides on the cache of a run and opens it. The model must have the weights that the run begins with. */
  static async open(
    model: ResNet,
    settings: RunSettings,
    images: { readonly train: number; readonly val: number },
  ): Promise<RunCache> {
    const { plan, note } = planFeatureCache(model.arch, settings, images, await roomFor(settings));
    if (plan === null) return new RunCache(note, null, null, null, 0);
    const { entryBytes } = plan;
    const units = settings.frozenPrefixUnits;
    if (plan.mode === 'memory') {
      return opened(note, plan, { mode: 'memory', entryBytes, units, memoryLimit: plan.memoryLimit }, null);
    }
    const storeKey = storeKeyOf(await model.handle.prefixHash(units), settings, entryBytes);
    const path = join(featureStoresDirectory(), storeKey);
    await describeStore(path, {
      unit: model.units()[units - 1]?.name ?? '',
      imageSize: settings.imageSize,
      precision: settings.precision,
      entryBytes,
      created: new Date().toISOString(),
    });
    return opened(note, plan, { mode: 'disk', entryBytes, units, directory: path, storeKey }, path);

    async function opened(
      text: string,
      to: CachePlan,
      options: NativeFeatureCacheOptions,
      directory: string | null,
    ): Promise<RunCache> {
      const handle = new (native().FeatureCache)(options);
      await handle.open();
      const found = handle.stats().entries;
      const left = found === 0 ? '' : ` ${found} entries are there from earlier runs.`;
      return new RunCache(text + left, to, handle, directory, found);
    }
  }

  /** What happened since the last call; null without a cache. */
  figures(): CacheFigures | null {
    if (this.handle === null) return null;
    const now = this.handle.stats();
    const before = this.#seen;
    this.#seen = now;
    return {
      hits: now.hits - before.hits,
      misses: now.misses - before.misses,
      entries: now.entries,
      bytes: now.bytes,
      damaged: now.damaged - before.damaged,
    };
  }

  /** Once, why it takes nothing more; else null. */
  news(): string | null {
    if (this.handle === null || this.#told) return null;
    const { stopped } = this.handle.stats();
    this.#told = stopped !== null;
    return stopped;
  }

  /** Waits until all is on disk, and lets go of it. Does not fail. */
  async close(): Promise<void> {
    await this.handle?.close().catch(() => undefined);
    this.handle?.dispose();
  }
}

/** A store is of use for what has all of this in common; file and view are in the keys of its entries. */
function storeKeyOf(prefixHash: string, settings: RunSettings, entryBytes: number): string {
  const { frozenPrefixUnits, precision } = settings;
  const { variant } = native().info();
  const parts = { prefixHash, frozenPrefixUnits, precision, entryBytes, variant, ...versions() };
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

async function roomFor({ cache }: RunSettings): Promise<CacheRoom> {
  return {
    // Limits of a container count.
    memory: process.availableMemory(),
    disk: cache === 'auto' || cache === 'disk' ? await freeDisk(featureStoresDirectory()) : null,
  };
}

async function freeDisk(directory: string): Promise<number | null> {
  try {
    await mkdir(directory, { recursive: true });
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return null;
  }
}
