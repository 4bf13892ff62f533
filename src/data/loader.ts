import { availableParallelism } from 'node:os';
import type {
  NativeFeatureCache,
  NativeFileList,
  NativeImageCache,
  NativeLoader,
  ViewSpec,
} from '../native/contract/data.js';
import type { NativeDevice } from '../native/contract/device.js';
import { native } from '../native/load.js';

/** One pass over a file list; what is left out has a default. */
export interface PassOptions extends ViewSpec {
  readonly files: NativeFileList;
  readonly batchSize: number;
  readonly epoch: number;
  readonly seed: number;
  /** A training pass: shuffled, and a last batch of one image merged into the one before. */
  readonly training: boolean;
  /** Default `passWorkers()`. */
  readonly workers?: number | undefined;
  /** Leave out files that fail, and report them with their batch. Default false. */
  readonly skipCorrupt?: boolean | undefined;
  /** Batches to pass over, for a resumed epoch. Default 0. */
  readonly firstBatch?: number | undefined;
  /** Views of an image that epochs walk through: epoch e has the augmentation of epoch e % views. Default 0: no limit. */
  readonly views?: number | undefined;
  /** Features of the frozen prefix; an image that is in it is not decoded. Default none. */
  readonly cache?: NativeFeatureCache | null | undefined;
  /** Where decoded pictures stay. Default: nowhere. */
  readonly imageCache?: NativeImageCache | null;
  /** Of the model that batches go to, whose memory it copies from. Default: none, and the CPU. */
  readonly device?: NativeDevice;
}

const MOST_WORKERS = 12;

/**
 * Decoding threads beside other work, where none are asked for: half of the cores, at least one, at most twelve. One decodes
 * some 1,500 photographs a second.
 */
export function defaultWorkers(cores: number = availableParallelism()): number {
  return Math.min(Math.max(Math.floor(cores / 2), 1), MOST_WORKERS);
}

/** Cores that are left to what drives a device and to JavaScript, where there are enough. */
const CORES_BESIDE_DEVICE = 2;

const MOST_WORKERS_FOR_DEVICE = 32;

/**
 * Those of a pass: as many as cores, at most twelve, where they take turns with the arithmetic of the processor. For a
 * device, which outruns them: all cores but two, or half of them where that is more, at most 32.
 */
export function passWorkers(onDevice: boolean, cores: number = availableParallelism()): number {
  if (!onDevice) return Math.min(cores, MOST_WORKERS);
  const workers = Math.max(Math.floor(cores / 2), cores - CORES_BESIDE_DEVICE, 1);
  return Math.min(workers, MOST_WORKERS_FOR_DEVICE);
}

/** Opens a native loader. The epoch counts from 0. */
export function openLoader(pass: PassOptions): NativeLoader {
  const onDevice = pass.device !== undefined && pass.device !== 'cpu';
  const workers = pass.workers ?? passWorkers(onDevice);
  return new (native().Loader)({
    files: pass.files,
    crop: pass.crop,
    transforms: pass.transforms ?? [],
    batchSize: pass.batchSize,
    shuffle: pass.training,
    mergeLastSingle: pass.training,
    seed: pass.seed,
    epoch: pass.epoch,
    workers,
    // Features are large, and are read faster than they are used. Of the memory that a device copies from, the batch on
    // its way takes a third part.
    prefetch: prefetchedBatches(workers, pass.batchSize) - (pass.cache || onDevice ? 1 : 0),
    skipCorrupt: pass.skipCorrupt ?? false,
    firstBatch: pass.firstBatch ?? 0,
    views: pass.views ?? 0,
    cache: pass.cache ?? null,
    imageCache: pass.imageCache ?? null,
    ...(pass.device === undefined ? {} : { device: pass.device }),
  });
}

/** Enough that every worker has an image at hand while a batch is taken, and never fewer than three. */
function prefetchedBatches(workers: number, batchSize: number): number {
  return 2 + Math.ceil((2 * workers) / batchSize);
}
