import { MOST_PIXELS } from '../data/image-input.js';
import { checkOptions, invalidArgument, requireNumber } from '../options.js';
import type { ServedPredictorOptions } from './predictor.js';

/** One request, as it is told when it was answered. */
export interface AccessEntry {
  readonly method: string;
  /** As the client wrote it, query included. */
  readonly url: string;
  readonly status: number;
  readonly milliseconds: number;
  readonly images: number;
}

/** What a server takes, and how long it waits. Whole numbers. */
export interface ServerLimits {
  /** Bytes of a request's body. Default 16 MiB. */
  readonly maxBodyBytes?: number;
  /** Pixels of an image, by its header, before it is decoded. Default 50 million; at most 16383². */
  readonly maxPixels?: number;
  /** Images of a request, at most `maxQueue`. Default 32, or `maxQueue` where that is less. */
  readonly maxImages?: number;
  /** Milliseconds that a request may take to arrive, and again to be answered. Default 10,000. */
  readonly timeoutMs?: number;
  /** Images of a model that may wait; beyond, requests are told to come back later. Default 256. */
  readonly maxQueue?: number;
  /** Milliseconds that `close()` waits for requests that run, before it cuts them off. Default 10,000. */
  readonly shutdownMs?: number;
}

/** Options of `createServer()`. */
export interface ServerOptions extends ServerLimits {
  /** Run directories, checkpoints or weights files by the names that clients call them. The first is the default. */
  readonly models: Readonly<Record<string, string>>;
  /** The same for all models. */
  readonly predictor?: ServedPredictorOptions;
  /** Told of every request when it is answered. */
  readonly onAccess?: (entry: AccessEntry) => void;
  /** Told of failures that clients see as status 500 alone. Default: a line on standard error. */
  readonly onError?: (error: unknown) => void;
}

export interface ServerSettings extends Required<ServerLimits> {
  readonly models: ReadonlyMap<string, string>;
  readonly onAccess: ((entry: AccessEntry) => void) | undefined;
  readonly onError: (error: unknown) => void;
}

const LIMITS = {
  maxBodyBytes: { default: 16 * 2 ** 20, min: 1, max: 2 ** 31 },
  maxPixels: { default: 50_000_000, min: 1, max: MOST_PIXELS },
  maxImages: { default: 32, min: 1, max: 10_000 },
  timeoutMs: { default: 10_000, min: 1, max: 3_600_000 },
  maxQueue: { default: 256, min: 1, max: 1_000_000 },
  shutdownMs: { default: 10_000, min: 0, max: 3_600_000 },
} as const satisfies Record<keyof ServerLimits, { default: number; min: number; max: number }>;

const OPTION_NAMES = ['models', 'predictor', 'onAccess', 'onError', ...Object.keys(LIMITS)];

/** Names are told to clients, in metrics and in queries. */
const MODEL_NAME = /^[^\p{Cc}\p{Cs}]{1,100}$/u;

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` */
export function resolveSettings(options: ServerOptions): ServerSettings {
  checkOptions(options, OPTION_NAMES, 'createServer()');
  const limits = resolveLimits(options);
  return {
    ...limits,
    models: resolveModels(options.models),
    onAccess: options.onAccess,
    onError: options.onError ?? writeError,
  };
}

function resolveLimits(options: ServerLimits): Required<ServerLimits> {
  const read = (name: keyof ServerLimits, standard: number = LIMITS[name].default): number => {
    const { min, max } = LIMITS[name];
    return requireNumber(options[name] ?? standard, name, { integer: true, min, max });
  };
  const maxQueue = read('maxQueue');
  const maxImages = read('maxImages', Math.min(LIMITS.maxImages.default, maxQueue));
  if (maxImages > maxQueue) {
    throw invalidArgument(
      `maxImages is ${maxImages}, but only ${maxQueue} images may wait (maxQueue): so large a request would never be answered.`,
    );
  }
  return {
    maxBodyBytes: read('maxBodyBytes'),
    maxPixels: read('maxPixels'),
    maxImages,
    timeoutMs: read('timeoutMs'),
    maxQueue,
    shutdownMs: read('shutdownMs'),
  };
}

function resolveModels(models: unknown): ReadonlyMap<string, string> {
  if (typeof models !== 'object' || models === null || Array.isArray(models)) {
    throw invalidArgument("models must be an object, such as { bees: 'runs/bees' }.");
  }
  const entries = Object.entries(models);
  if (entries.length === 0) throw invalidArgument('models is empty: name one model at least.');
  for (const [name, path] of entries) {
    if (!MODEL_NAME.test(name)) {
      throw invalidArgument(`${JSON.stringify(name)} cannot name a model: it takes 1 to 100 printable characters.`);
    }
    if (typeof path !== 'string' || path === '') throw invalidArgument(`The path of the model ${name} is missing.`);
  }
  return new Map(entries as [string, string][]);
}

function writeError(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
