import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ResnetTorchError } from '../errors.js';
import { systemCode } from '../files.js';
import { isError } from '../kinds.js';
import { checkOptions, requireNumber } from '../options.js';
import { Budget, type Budgets } from './budgets.js';
import { Connections } from './connections.js';
import { createMetrics } from './metrics.js';
import { ModelRegistry, type ReloadResult } from './models.js';
import { openApiDocument } from './openapi.js';
import { resolveSettings, type ServerOptions, type ServerSettings } from './options.js';
import { loadPage } from './page.js';
import { type LoadPredictor, predictorLoader } from './predictor.js';
import { shuttingDown } from './problem.js';

/** Options of `PredictionServer.listen()`. */
export interface ListenOptions {
  /** Address to listen on. Default `127.0.0.1`: this machine alone. */
  readonly host?: string;
  /** Default 8080; 0 is any that is free. */
  readonly port?: number;
}

/** Where a server listens. */
export interface ServerAddress {
  /** The address, such as `127.0.0.1`. */
  readonly host: string;
  readonly port: number;
  /** Such as `http://127.0.0.1:8080/`. */
  readonly url: string;
}

/** Bodies that may be in memory at once, in bodies of the largest size. */
const BODIES_HELD = 16;

/** Bytes of answers that may be in memory at once: ten thousand with features. */
const ANSWERS_HELD = 256 * 2 ** 20;

/** Predictions over HTTP. Made by `createServer()`. */
export class PredictionServer {
  /** Resolves when all models are loaded; until then requests for them are answered with 503. */
  readonly ready: Promise<void>;
  readonly #app: FastifyInstance;
  readonly #registry: ModelRegistry;
  readonly #connections: Connections;
  readonly #shutdownMs: number;
  readonly #running = new Set<AbortController>();
  #closed: Promise<void> | undefined;

  private constructor(parts: {
    readonly app: (isClosing: () => boolean, running: Set<AbortController>) => FastifyInstance;
    readonly registry: ModelRegistry;
    readonly connections: Connections;
    readonly settings: ServerSettings;
  }) {
    this.#registry = parts.registry;
    this.#connections = parts.connections;
    this.#shutdownMs = parts.settings.shutdownMs;
    this.#app = parts.app(() => this.#closed !== undefined, this.#running);
    this.ready = this.#registry.loadAll();
    // For those who do not wait for it; `/readyz` tells it, too.
    this.ready.catch(() => undefined);
  }

  /** @internal */
  static async open(options: ServerOptions, load?: LoadPredictor): Promise<PredictionServer> {
    const settings = resolveSettings(options);
    const { maxPixels, maxQueue } = settings;
    const registry = new ModelRegistry(
      settings.models,
      load ?? predictorLoader({ ...options.predictor, maxPixels, maxQueue }),
    );
    const budgets: Budgets = {
      bodies: new Budget(BODIES_HELD * settings.maxBodyBytes),
      answers: new Budget(ANSWERS_HELD),
      images: new Map(registry.names.map((name) => [name, new Budget(maxQueue)])),
    };
    // First, since it says what to do where the code was bundled; what comes then would fail in words of its own.
    const page = await loadPage();
    const [{ createApp }, metrics] = await Promise.all([
      import('./app.js'),
      createMetrics({
        models: registry.names,
        counts: (model) => registry.counts(model),
        bodyBytes: () => budgets.bodies.held,
        answerBytes: () => budgets.answers.held,
        heldImages: (model) => budgets.images.get(model)?.held ?? 0,
      }),
    ]);
    const connections = new Connections(settings, metrics);
    const openapi = openApiDocument(settings);
    const context = { settings, registry, metrics, connections, budgets, page, openapi };
    const app = (isClosing: () => boolean, running: Set<AbortController>) =>
      createApp({ ...context, isClosing, running });
    const server = new PredictionServer({ app, registry, connections, settings });
    await server.#app.ready();
    return server;
  }

  /** Answers a request of another server's: `http.createServer(server.handler)`, or Express's `app.use(server.handler)`. */
  get handler(): (request: IncomingMessage, response: ServerResponse) => void {
    return (request, response) => this.#app.routing(request, response);
  }

  /** @throws ERR_FILE when the address cannot be had; ERR_INVALID_ARGUMENT */
  async listen(options: ListenOptions = {}): Promise<ServerAddress> {
    checkOptions(options, ['host', 'port'], 'listen()');
    const host = options.host ?? '127.0.0.1';
    const port = requireNumber(options.port ?? 8080, 'port', { integer: true, min: 0, max: 65535 });
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      throw listenError(host, port, error);
    }
    const address = this.#app.server.address() as AddressInfo;
    const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return { host: address.address, port: address.port, url: `http://${name}:${address.port}/` };
  }

  /**
   * Loads all models again from where they lie, without a request being dropped: each takes the place of the old one
   * when it is loaded, and the old one goes when its requests are done. Models that fail to load stay what they were.
   */
  reload(): Promise<ReloadResult> {
    return this.#registry.reload();
  }

  /** Takes no further requests, lets those that run end, for `shutdownMs` at most, and frees the models. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#registry.stopLoading();
    this.#connections.close();
    const bound = setTimeout(() => {
      for (const request of this.#running) request.abort(shuttingDown());
      // Those whose bodies are still on their way are not waited for; the others hear that they were cut off.
      setImmediate(() => this.#app.server.closeAllConnections());
    }, this.#shutdownMs);
    try {
      await this.#app.close();
      // One that never listened is not closed by that.
      this.#app.server.close(() => undefined);
      await this.#registry.dispose();
    } finally {
      clearTimeout(bound);
    }
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const SYMPTOMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there. Choose another port, or 0 for any',
  EACCES: 'permission denied. Ports below 1024 are for the system; choose a higher one',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no host of this name',
};

function listenError(host: string, port: number, error: unknown): ResnetTorchError {
  const symptom = SYMPTOMS[systemCode(error) ?? ''] ?? (isError(error) ? error.message : String(error));
  return new ResnetTorchError('ERR_FILE', `Cannot listen on ${host}, port ${port}: ${symptom}.`, { cause: error });
}

/**
 * A server of predictions, whose models begin to load at once. Fastify and prom-client are loaded by this call.
 *
 * @throws ERR_INVALID_ARGUMENT for options out of range
 */
export function createServer(options: ServerOptions): Promise<PredictionServer> {
  return PredictionServer.open(options);
}
