import { MOST_PIXELS } from '../data/image-input.js';
import { isError } from '../kinds.js';
import { checkOptions, invalidArgument, requireNumber } from '../options.js';
import { readAllowedHosts } from './hosts.js';
import { readOrigins } from './origins.js';
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
  /** Milliseconds that a request may take to arrive, again to be answered, and its answer to be read. Default 10,000. */
  readonly timeoutMs?: number;
  /** Images of a model whose answers have not gone out; beyond, requests are told to come back later. Default 256. */
  readonly maxQueue?: number;
  /** Connections at once; beyond, they are closed unheard. Not of a server that calls `handler`. Default 1000. */
  readonly maxConnections?: number;
  /**
   * Milliseconds that a connection may wait for its next request. Default 72,000: longer than most proxies keep one. Not
   * of a server that calls `handler`.
   */
  readonly keepAliveMs?: number;
  /** Milliseconds that `close()` waits for requests that run, before it cuts them off. Default 10,000. */
  readonly shutdownMs?: number;
}

/** Options of `createServer()`. */
export interface ServerOptions extends ServerLimits {
  /** Run directories, checkpoints or weights files by the names that clients call them. The first is the default. */
  readonly models: Readonly<Record<string, string>>;
  /** The same for all models. */
  readonly predictor?: ServedPredictorOptions;
  /**
   * Names that requests may call the server by in `Host`, beside `localhost`, 127.x.x.x, `[::1]` and the address that they
   * came to: `vision.example.com`; `.example.com`, which is that and all below it; or `*`, any. Default: none where the
   * server listens on this machine alone, so that no page can reach it by a name of its own (DNS rebinding); else any.
   */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may use the server, such as `https://app.example.com`, or `*`, any. Default: its own alone. */
  readonly cors?: readonly string[];
  /** Told of every request when it is answered. What it throws goes to `onError`. */
  readonly onAccess?: (entry: AccessEntry) => void;
  /** Told of failures that clients see as status 500 alone. Default: a line on standard error. */
  readonly onError?: (error: unknown) => void;
}

export interface ServerSettings extends Required<ServerLimits> {
  readonly models: ReadonlyMap<string, string>;
  /** `undefined`: by the address that the server listens on. */
  readonly allowedHosts: readonly string[] | undefined;
  readonly cors: readonly string[];
  readonly onAccess: ((entry: AccessEntry) => void) | undefined;
  /** Never throws. */
  readonly onError: (error: unknown) => void;
}

const LIMITS = {
  maxBodyBytes: { default: 16 * 2 ** 20, min: 1, max: 2 ** 31 },
  maxPixels: { default: 50_000_000, min: 1, max: MOST_PIXELS },
  maxImages: { default: 32, min: 1, max: 10_000 },
  timeoutMs: { default: 10_000, min: 1, max: 3_600_000 },
  maxQueue: { default: 256, min: 1, max: 1_000_000 },
  maxConnections: { default: 1000, min: 1, max: 1_000_000 },
  keepAliveMs: { default: 72_000, min: 1, max: 3_600_000 },
  shutdownMs: { default: 10_000, min: 0, max: 3_600_000 },
} as const satisfies Record<keyof ServerLimits, { default: number; min: number; max: number }>;

const OPTION_NAMES = ['models', 'predictor', 'allowedHosts', 'cors', 'onAccess', 'onError', ...Object.keys(LIMITS)];

/** Names are told to clients, in metrics and in queries. */
const MODEL_NAME = /^[^\p{Cc}\p{Cs}]{1,100}$/u;

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` */
export function resolveSettings(options: ServerOptions): ServerSettings {
  checkOptions(options, OPTION_NAMES, 'createServer()');
  const limits = resolveLimits(options);
  return {
    ...limits,
    models: resolveModels(options.models),
    allowedHosts: options.allowedHosts === undefined ? undefined : readAllowedHosts(options.allowedHosts),
    cors: readOrigins(options.cors ?? []),
    onAccess: options.onAccess,
    onError: options.onError === undefined ? writeError : harmless(options.onError, writeError),
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
    maxConnections: read('maxConnections'),
    keepAliveMs: read('keepAliveMs'),
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

/** A callback that was handed in, whose failure, or its promise's, goes elsewhere instead of to whoever calls it. */
export function harmless<T>(callback: (value: T) => unknown, failed: (error: unknown) => void): (value: T) => void {
  return (value) => {
    try {
      // An async function is one, too, though its promise is not waited for.
      Promise.resolve(callback(value)).catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}

function writeError(error: unknown): void {
  process.stderr.write(`${isError(error) ? (error.stack ?? error.message) : String(error)}\n`);
}
