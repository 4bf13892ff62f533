import { get } from 'node:http';
import type { TestContext } from 'node:test';
import sharp from 'sharp';
import { ResnetTorchError } from '../../../src/errors.js';
import type { AccessEntry, ServerOptions } from '../../../src/serving/options.js';
import type {
  LoadPredictor,
  ServedImage,
  ServedPrediction,
  ServedPredictOptions,
  ServedPredictor,
} from '../../../src/serving/predictor.js';
import { PredictionServer } from '../../../src/serving/server.js';
import { Watch } from './watch.js';

/** A predictor without a network: it answers when it is told to, and tells what it was asked. */
export class FakePredictor implements ServedPredictor {
  readonly arch = 'resnet50';
  readonly classes: readonly string[];
  readonly input = { imageSize: 32, resize: 36, precision: 'fp32', device: 'cpu' } as const;
  readonly queue = { waiting: 0, batches: 0, images: 0 };
  readonly asked: ServedPredictOptions[] = [];
  /** Something happens whenever it is asked, a prediction ends, or it is disposed of. */
  readonly watch = new Watch();
  probability: number | undefined;
  feature = 0.1;
  disposed = false;
  /** Awaited before an image that a client sent is answered; may reject. */
  gate: (bytes: Uint8Array) => Promise<unknown> = () => Promise.resolve();

  constructor(classes: readonly string[] = ['ants', 'bees']) {
    this.classes = classes;
  }

  async predict(image: ServedImage, options: ServedPredictOptions): Promise<ServedPrediction> {
    if (this.disposed) throw new ResnetTorchError('ERR_DISPOSED', 'It was disposed of.');
    options.signal?.throwIfAborted();
    if (image instanceof Uint8Array) {
      this.asked.push(options);
      this.watch.happened();
      try {
        await raceAbort(this.gate(image), options.signal);
      } finally {
        this.watch.happened();
      }
    }
    if (this.disposed) throw new ResnetTorchError('ERR_DISPOSED', 'It was disposed of while it worked.');
    this.queue.batches++;
    this.queue.images++;
    const share = this.probability ?? 1 / this.classes.length;
    return {
      predictions: this.classes
        .slice(0, options.topK ?? 5)
        .map((label, index) => ({ label, index, probability: share })),
      ...(options.features === true ? { features: new Float32Array(2048).fill(this.feature) } : {}),
    };
  }

  dispose(): void {
    this.disposed = true;
    this.watch.happened();
  }
}

async function raceAbort(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

export interface Served {
  readonly server: PredictionServer;
  readonly url: string;
  readonly port: number;
  /** Failures that clients saw as status 500 alone. */
  readonly errors: unknown[];
  /** Requests that are over, in that order. Something happens in `watch` with each. */
  readonly entries: AccessEntry[];
  readonly watch: Watch;
  /** The value of a metric; `undefined` where there is none of this name and these labels. */
  metric(name: string): Promise<number | undefined>;
}

export interface ServeOptions extends Partial<ServerOptions> {
  readonly load?: LoadPredictor | undefined;
  /** Default true: the models are loaded when this answers. */
  readonly wait?: boolean;
}

/** A server on a free port of this machine, closed when the test ends. */
export async function serve(t: Pick<TestContext, 'after'>, { load, wait, ...options }: ServeOptions): Promise<Served> {
  const errors: unknown[] = [];
  const entries: AccessEntry[] = [];
  const watch = new Watch();
  const { onAccess } = options;
  const server = await PredictionServer.open(
    {
      models: { bees: 'runs/bees' },
      shutdownMs: 500,
      onError: (error) => errors.push(error),
      ...options,
      onAccess: (entry) => {
        entries.push(entry);
        watch.happened();
        return onAccess?.(entry);
      },
    },
    load,
  );
  t.after(() => server.close());
  const { url, port } = await server.listen({ port: 0 });
  if (wait !== false) await server.ready;
  const metric = async (name: string): Promise<number | undefined> => {
    const lines = (await textOf(port, '/metrics')).split('\n');
    const line = lines.find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  };
  return { server, url, port, errors, entries, watch, metric };
}

/** What is at an address, over a connection of its own that ends with it: connections are counted, too. */
async function textOf(port: number, path: string): Promise<string> {
  const response = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, resolve).on('error', reject);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A server over one fake predictor. */
export async function serveFake(
  t: Pick<TestContext, 'after'>,
  options: ServeOptions = {},
  predictor = new FakePredictor(),
): Promise<Served & { readonly predictor: FakePredictor }> {
  return { ...(await serve(t, { load: async () => predictor, ...options })), predictor };
}

export function jpeg(width = 40, height = 32): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#8a4' } })
    .jpeg()
    .toBuffer();
}

/** Begins like a JPEG, and is none: for predictors that do not look. */
export const jpegLike = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(60, 7)]);

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & {
    readonly images?: readonly { readonly predictions: readonly { readonly label: string }[] }[];
  };
}

export type Body = NonNullable<RequestInit['body']>;

export async function post(url: string, body: Body, type?: string): Promise<Answer> {
  const headers = type === undefined ? {} : { 'content-type': type };
  return read(await fetch(url, { method: 'POST', body, headers }));
}

export async function read(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

export function form(images: readonly Uint8Array[], names: readonly string[] = []): FormData {
  const data = new FormData();
  images.forEach((bytes, i) => {
    data.append('image', new Blob([new Uint8Array(bytes)]), names[i] ?? `${i}.jpg`);
  });
  return data;
}
