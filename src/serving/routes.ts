import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Budgets } from './budgets.js';
import type { Connections, Exchange } from './connections.js';
import { type BodyKind, bodyKind, readImages } from './images.js';
import type { ServerMetrics } from './metrics.js';
import type { Generation, ModelRegistry } from './models.js';
import type { ServerSettings } from './options.js';
import type { Page } from './page.js';
import { predictImages } from './predict.js';
import { overloaded, Problem, RETRY_AFTER, shuttingDown } from './problem.js';
import { type PredictQuery, readModelQuery, readPredictQuery } from './query.js';
import { bodyTooLarge } from './receive.js';

/** What is noted of a request while it is answered. */
export interface RequestNotes {
  readonly start: number;
  readonly exchange: Exchange;
  /** Images that were answered. */
  images: number;
}

export interface RouteContext {
  readonly settings: ServerSettings;
  readonly registry: ModelRegistry;
  readonly metrics: ServerMetrics;
  readonly connections: Connections;
  readonly budgets: Budgets;
  readonly page: Page;
  readonly openapi: object;
  isClosing(): boolean;
  /** Of the requests that are answered now, to cut them off at the end of a shutdown. */
  readonly running: Set<AbortController>;
}

export function addRoutes(app: FastifyInstance, context: RouteContext): void {
  addPredict(app, context);
  addInformation(app, context);
}

interface PredictPlan {
  readonly query: PredictQuery;
  readonly kind: BodyKind;
}

function addPredict(app: FastifyInstance, context: RouteContext): void {
  app.decorateRequest('plan');
  app.route({
    method: 'POST',
    url: '/v1/predict',
    // All that headers can be refused for, before a byte of the body is read.
    onRequest: async (request) => {
      const query = readPredictQuery(request.query);
      const kind = bodyKind(request.headers);
      const length = Number(request.headers['content-length'] ?? 0);
      if (length > context.settings.maxBodyBytes) throw bodyTooLarge(context.settings.maxBodyBytes);
      const { name, generation } = context.registry.find(query.model);
      checkTopK(query, generation);
      const held = context.budgets.images.get(name)?.held ?? 0;
      if (Math.max(held, generation.predictor.queue.waiting) >= context.settings.maxQueue) throw overloaded();
      request.setDecorator('plan', { query, kind } satisfies PredictPlan);
    },
    handler: (request, reply) => predict(request, reply, context),
  });
}

function checkTopK({ topK }: PredictQuery, { predictor }: Generation): void {
  const known = predictor.classes.length;
  if (topK !== undefined && topK > known) {
    throw new Problem('bad-query', `topK is ${topK}, but the model knows ${known} classes.`);
  }
}

async function predict(
  request: FastifyRequest,
  reply: FastifyReply,
  { settings, registry, metrics, budgets, running, isClosing }: RouteContext,
): Promise<unknown> {
  const { query, kind } = request.getDecorator<PredictPlan>('plan');
  const notes = request.getDecorator<RequestNotes>('notes');
  const body = budgets.bodies.open();
  const answer = budgets.answers.open();
  const own = new AbortController();
  // Memory is free again when the answer has gone out, not when it is written: its client may be slow to read it.
  notes.exchange.onOver((wasSent) => {
    body.release();
    answer.release();
    if (!wasSent) own.abort(new Problem('bad-request', 'The client did not wait for the answer.'));
  });
  running.add(own);
  try {
    const images = await readImages(request.raw, kind, settings, body.take);
    if (isClosing() && !registry.isReady) throw shuttingDown();
    const { name, generation } = registry.find(query.model);
    const places = budgets.images.get(name)?.open();
    notes.exchange.onOver(() => places?.release());
    places?.take(images.length);
    const options = {
      ...(query.topK === undefined ? {} : { topK: query.topK }),
      features: query.features,
      timeoutMs: settings.timeoutMs,
    };
    const answers = await generation.use((predictor) =>
      predictImages(predictor, images, options, own, settings.maxPixels),
    );
    const text = JSON.stringify({ model: name, images: answers });
    answer.take(Buffer.byteLength(text));
    metrics.countImages(name, answers.length);
    notes.images = answers.length;
    return reply.type('application/json; charset=utf-8').send(text);
  } finally {
    running.delete(own);
  }
}

function addInformation(app: FastifyInstance, { registry, metrics, page, openapi, isClosing }: RouteContext): void {
  app.get('/v1/model', async (request) => {
    const wanted = readModelQuery(request.query);
    if (wanted !== undefined) return describeModel(registry, wanted);
    return { default: registry.defaultName, models: registry.names.map((name) => describeModel(registry, name)) };
  });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    if (isClosing()) throw shuttingDown();
    if (!registry.isReady) throw new Problem('not-ready', 'Models are being loaded.', { headers: RETRY_AFTER });
    return { status: 'ready' };
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()));
  app.get('/openapi.json', async () => openapi);
  app.get('/', async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .headers({ 'content-security-policy': page.contentSecurityPolicy, 'referrer-policy': 'no-referrer' })
      .send(page.html),
  );
}

function describeModel(registry: ModelRegistry, wanted: string): object {
  const { name, generation } = registry.find(wanted);
  const { arch, classes, input } = generation.predictor;
  const { imageSize, resize, precision, device } = input;
  return {
    name,
    arch,
    classes,
    input: { imageSize, resize, precision, device },
    loadedAt: generation.loadedAt.toISOString(),
  };
}
