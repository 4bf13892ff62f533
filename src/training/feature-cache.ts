import { type Augmentation, describeAugmentation } from '../data/transforms/augmentation.js';
import { distinctViews } from '../data/transforms/spec.js';
import { type ArchitectureName, architectureOf, outputShape } from '../model/architecture.js';
import { computeOf, type PrecisionName } from '../model/precision.js';
import { invalidArgument } from '../options.js';

/**
 * Where outputs of the frozen prefix are kept. `auto`: in memory where they take a quarter of what is available at most,
 * else on disk where they take half of what is free at most, else nowhere.
 */
export type CacheMode = 'auto' | 'memory' | 'disk' | 'off';

export const CACHE_MODES = ['auto', 'memory', 'disk', 'off'] as const satisfies readonly CacheMode[];

/** Shares of what is available that a cache may take: when it is chosen, and when it was asked for. */
const CHOSEN_MEMORY = 1 / 4;
const CHOSEN_DISK = 1 / 2;
const MOST_MEMORY = 1 / 2;

/** What the settings of a run say about its cache. */
export interface CacheSettings {
  readonly cache: CacheMode;
  /** Views of each training image that epochs walk through, or null: every epoch has its own. */
  readonly cacheViews: number | null;
  readonly frozenPrefixUnits: number;
  readonly augment: Augmentation;
  readonly imageSize: number;
  readonly precision: PrecisionName;
  readonly epochs: number;
}

/** Bytes. `disk` is null where no directory can be used. */
export interface CacheRoom {
  readonly memory: number;
  readonly disk: number | null;
}

export interface CachePlan {
  readonly mode: 'memory' | 'disk';
  /** Views of each training image; validation images have one. */
  readonly views: number;
  readonly entries: number;
  readonly entryBytes: number;
  /** Of all entries. */
  readonly bytes: number;
  /** Bytes that entries may take in memory. */
  readonly memoryLimit: number;
}

/** What was decided; `note` says it to people, and why. */
export interface CacheDecision {
  readonly plan: CachePlan | null;
  readonly note: string;
}

/**
 * Bytes of an image's features behind the first `units` units: channels × height × width of their output. Where the head
 * alone trains, they are averaged over the picture, and float32 whatever the precision.
 *
 * @param units 1 to all but the head
 * @param imageSize side of the square that the network sees, pixels
 */
export function featureBytes(
  arch: ArchitectureName,
  units: number,
  imageSize: number,
  precision: PrecisionName,
): number {
  const architecture = architectureOf(arch);
  if (units === architecture.units.length - 1) return architecture.features * 4;
  const [channels, height, width] = outputShape(architecture, units, imageSize);
  return channels * height * width * (computeOf(precision) === 'dtype' ? 4 : 2);
}

/**
 * How many views of a training image a run meets. A flip has two, however many epochs there are.
 *
 * @returns null where every epoch has views of its own
 */
function viewsOf({ augment, cacheViews, epochs }: CacheSettings): number | null {
  const distinct = distinctViews(augment);
  if (distinct === 1) return 1;
  if (distinct === null) return cacheViews === null ? null : Math.min(cacheViews, epochs);
  return Math.min(cacheViews ?? distinct, distinct, epochs);
}

/** Why a run cannot have a cache, and what would help; null where it can. */
function obstacle(settings: CacheSettings): string | null {
  if (settings.frozenPrefixUnits === 0) {
    return (
      "nothing is frozen from the input on, so that no outputs stay the same; freeze more (freeze: { until: 'layer2' }, " +
      '--freeze-until layer2), with BatchNorm that follows'
    );
  }
  if (settings.precision === 'fp64') return 'a float64 model is not cached; take a float32 one';
  if (viewsOf(settings) === null) {
    return (
      `every epoch has views of its own with the augmentation '${describeAugmentation(settings.augment)}'; give a number of views (cacheViews, ` +
      "--cache-views), or take another augmentation ('flip', 'none')"
    );
  }
  return null;
}

/** @throws ERR_INVALID_ARGUMENT where a cache is asked for that a run with these settings cannot have */
export function checkCacheSettings(settings: CacheSettings): void {
  const { cache, cacheViews } = settings;
  const because = obstacle(settings);
  if (because === null) return;
  if (cache === 'memory' || cache === 'disk') throw invalidArgument(`There is no cache to keep: ${because}.`);
  if (cacheViews !== null) throw invalidArgument(`cacheViews has no use: ${because}.`);
}

/**
 * Decides on the cache of a run from what it needs and what there is.
 *
 * @param arch of the model
 * @param images of the two splits
 */
export function planFeatureCache(
  arch: ArchitectureName,
  settings: CacheSettings,
  images: { readonly train: number; readonly val: number },
  room: CacheRoom,
): CacheDecision {
  const off = (because: string): CacheDecision => ({ plan: null, note: `No feature cache: ${because}.` });
  const because = settings.cache === 'off' ? 'it is turned off' : obstacle(settings);
  if (because !== null) return off(because);
  const views = viewsOf(settings) ?? 1;
  const entries = images.train * views + images.val;
  const entryBytes = featureBytes(arch, settings.frozenPrefixUnits, settings.imageSize, settings.precision);
  const bytes = entries * entryBytes;
  const need = { views, entries, entryBytes, bytes };
  const inMemory = (share: number): CachePlan => ({
    ...need,
    mode: 'memory',
    memoryLimit: Math.min(bytes, Math.floor(room.memory * share)),
  });
  const onDisk: CachePlan = { ...need, mode: 'disk', memoryLimit: 0 };
  const decided = (plan: CachePlan): CacheDecision => ({ plan, note: describePlan(plan, images, room) });
  switch (settings.cache) {
    case 'memory':
      return decided(inMemory(MOST_MEMORY));
    case 'disk':
      return decided(onDisk);
    default:
      if (settings.epochs === 1) return off('each image is seen once in one epoch');
      if (bytes <= room.memory * CHOSEN_MEMORY) return decided(inMemory(CHOSEN_MEMORY));
      if (room.disk !== null && bytes <= room.disk * CHOSEN_DISK) return decided(onDisk);
      return off(
        `${formatBytes(bytes)} are more than a quarter of the memory that is available (${formatBytes(room.memory)}) and ` +
          (room.disk === null
            ? 'there is no directory to write to'
            : `half of the disk that is free (${formatBytes(room.disk)})`),
      );
  }
}

/** Such as `The first epoch fills a cache of 312 MB in memory (398 images, 2 views of those to train on).` */
function describePlan(
  plan: CachePlan,
  images: { readonly train: number; readonly val: number },
  room: CacheRoom,
): string {
  const { mode, views, bytes, memoryLimit } = plan;
  const count = images.train + images.val;
  const seen = views === 1 ? 'one view each' : `${views} views of those to train on`;
  const filled = views === 1 ? 'The first epoch fills' : `The first epochs fill`;
  const text = `${filled} a cache of ${formatBytes(bytes)} ${mode === 'memory' ? 'in memory' : 'on disk'} (${count} images, ${seen})`;
  if (mode === 'memory' && memoryLimit < bytes) {
    return `${text}, of which ${formatBytes(memoryLimit)} are kept: half of the memory that is available.`;
  }
  if (mode === 'disk' && room.disk !== null && room.disk < bytes) {
    return `${text}, as far as it goes: ${formatBytes(room.disk)} are free.`;
  }
  return `${text}.`;
}

/** `312 MB`, `1.6 GB`: decimal units, as disks are sold. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : Number(value.toPrecision(2))} ${units[unit]}`;
}
