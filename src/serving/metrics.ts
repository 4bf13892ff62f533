import type { Registry } from 'prom-client';
import type { ModelCounts } from './models.js';

export interface RequestFigures {
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

export interface ServerMetrics {
  readonly contentType: string;
  countRequest(figures: RequestFigures): void;
  countImages(model: string, images: number): void;
  /** Connections that are open now. */
  setConnections(count: number): void;
  countClosed(reason: ClosedReason): void;
  /** All figures in Prometheus' text format. */
  render(): Promise<string>;
}

/** Why the server closed a connection: there were too many, or its client did not read an answer in time. */
export type ClosedReason = (typeof CLOSED_REASONS)[number];

const CLOSED_REASONS = ['limit', 'slow-reader'] as const;

/** What metrics read when they are asked for. */
export interface MetricSources {
  readonly models: readonly string[];
  counts(model: string): ModelCounts;
  bodyBytes(): number;
  answerBytes(): number;
  /** Images of a model whose answers have not gone out. */
  heldImages(model: string): number;
}

/** Seconds: from a small picture on a GPU to a request that meets its deadline. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Client = typeof import('prom-client');

/** Figures of the process, which all servers of a thread share: their collectors cannot be stopped. */
let processRegistry: Registry | undefined;

function processMetrics(client: Client): Registry {
  if (processRegistry === undefined) {
    processRegistry = new client.Registry();
    // Event-loop delay is among them, as nodejs_eventloop_lag_*.
    client.collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/** Loads prom-client. */
export async function createMetrics(sources: MetricSources): Promise<ServerMetrics> {
  const client = (await import('prom-client')).default;
  const own = new client.Registry();
  const registers = [own];
  const requests = new client.Counter({
    name: 'resnet_torch_http_requests_total',
    help: 'Requests that were answered, by route and status; 499 where the client did not wait.',
    labelNames: ['route', 'status'] as const,
    registers,
  });
  const durations = new client.Histogram({
    name: 'resnet_torch_http_request_duration_seconds',
    help: 'Time from the headers of a request to the end of its answer.',
    labelNames: ['route', 'status'] as const,
    buckets: DURATION_BUCKETS,
    registers,
  });
  const images = new client.Counter({
    name: 'resnet_torch_images_total',
    help: 'Images that were answered.',
    labelNames: ['model'] as const,
    registers,
  });
  for (const model of sources.models) images.inc({ model }, 0);

  const labelNames = ['model'] as const;
  new client.Gauge({
    name: 'resnet_torch_queue_images',
    help: 'Images that are decoded, wait for a batch, or are computed.',
    labelNames,
    registers,
    collect() {
      for (const model of sources.models) this.set({ model }, sources.counts(model).waiting);
    },
  });
  /** A sum that the models keep themselves, read when it is asked for. */
  const addSum = (name: string, help: string, value: (counts: ModelCounts) => number) =>
    new client.Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const model of sources.models) this.inc({ model }, value(sources.counts(model)));
      },
    });
  addSum('resnet_torch_batches_total', 'Batches that were computed.', ({ batches }) => batches);
  addSum('resnet_torch_batched_images_total', 'Images of these batches; over them, the mean size.', (c) => c.images);
  new client.Gauge({
    name: 'resnet_torch_body_bytes',
    help: 'Bytes of the bodies of requests whose answers have not gone out.',
    registers,
    collect() {
      this.set(sources.bodyBytes());
    },
  });
  new client.Gauge({
    name: 'resnet_torch_answer_bytes',
    help: 'Bytes of answers to predictions that have not gone out.',
    registers,
    collect() {
      this.set(sources.answerBytes());
    },
  });
  new client.Gauge({
    name: 'resnet_torch_unanswered_images',
    help: 'Images of requests whose answers have not gone out.',
    labelNames,
    registers,
    collect() {
      for (const model of sources.models) this.set({ model }, sources.heldImages(model));
    },
  });
  const connections = new client.Gauge({ name: 'resnet_torch_connections', help: 'Open connections.', registers });
  const closed = new client.Counter({
    name: 'resnet_torch_connections_closed_total',
    help: 'Connections closed because there were too many, or because an answer was not read in time.',
    labelNames: ['reason'] as const,
    registers,
  });
  for (const reason of CLOSED_REASONS) closed.inc({ reason }, 0);

  const all = client.Registry.merge([processMetrics(client), own]);
  return {
    contentType: all.contentType,
    countRequest({ route, status, seconds }) {
      const labels = { route, status };
      requests.inc(labels);
      durations.observe(labels, seconds);
    },
    setConnections: (count) => connections.set(count),
    countClosed: (reason) => closed.inc({ reason }),
    countImages: (model, count) => images.inc({ model }, count),
    render: () => all.metrics(),
  };
}
