import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastify } from './fastify.js';
import { isAllowedHost } from './hosts.js';
import type { ServerMetrics } from './metrics.js';
import { harmless, type ServerSettings } from './options.js';
import { corsHeaders, isForeign, isPreflight, preflightHeaders } from './origins.js';
import { clip, PROBLEM_TYPE, Problem, problemOf, shuttingDown } from './problem.js';
import { refuseConnection, refuseExpectation } from './refuse.js';
import { addRoutes, type RequestNotes, type RouteContext } from './routes.js';

/** What a page of a stranger may make of an answer that it embeds: nothing. */
const SAFETY_HEADERS = { 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' };

/** The status that is counted where the client went away before its answer. */
const CLIENT_CLOSED = 499;

/** The web application: routes, problem documents, and what is counted and told of each request. */
export function createApp(context: RouteContext): FastifyInstance {
  const { settings, metrics, connections } = context;
  const { onError, cors } = settings;
  const onAccess = settings.onAccess === undefined ? undefined : harmless(settings.onAccess, onError);
  const sendProblem = (error: unknown, reply: FastifyReply): FastifyReply => {
    const problem = problemOf(error);
    if (problem.status === 500) onError(error);
    return reply.code(problem.status).headers(problem.headers).type(PROBLEM_TYPE).send(problem.toDocument());
  };
  const app = fastify({
    logger: false,
    return503OnClosing: false,
    serverFactory: (handler) => connections.openServer(handler),
    clientErrorHandler: (error, socket) => refuseConnection(error, socket as Socket, metrics),
    // Among them a URL with a broken escape, for which there is no route.
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => sendProblem(error, reply),
  });
  app.decorateRequest('notes');
  // Bodies are read by those who want them, with limits of their own.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setErrorHandler((error, _request, reply) => sendProblem(error, reply));
  /** By path, the methods that are answered there. Fastify would take a stranger's path for a pattern, and may throw. */
  const answered = new Map<string, string[]>();
  app.addHook('onRoute', ({ url, method }) => {
    answered.set(url, [...(answered.get(url) ?? []), ...[method].flat()]);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(nothingAt(request, answered), reply));
  app.addHook('onRequest', (request, reply, done) => {
    const exchange = connections.begin(request.raw, reply.raw);
    const notes: RequestNotes = { start: performance.now(), exchange, images: 0 };
    request.setDecorator('notes', notes);
    exchange.onOver((wasSent) => observe(request, reply.raw, wasSent, notes, onAccess, metrics));
    done(context.isClosing() ? shuttingDown() : (hostProblem(request, context) ?? originProblem(request, context)));
  });
  app.addHook('onRequest', (request, reply, done) => {
    const methods = answered.get(pathOf(request));
    if (cors.length > 0 && methods !== undefined && isPreflight(request.method, request.headers)) {
      void reply.code(204).headers(preflightHeaders(methods)).send();
    } else done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    reply.headers({ ...SAFETY_HEADERS, ...corsHeaders(cors, request.headers.origin) });
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    if (context.isClosing()) reply.header('connection', 'close');
    // What is no request, such as a broken address, has none.
    const notes = request.getDecorator<RequestNotes | undefined>('notes');
    if (notes !== undefined) connections.sending(request.raw, notes.exchange);
    done(null, payload);
  });
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    refuseExpectation(response, metrics);
  });
  addRoutes(app, context);
  return app;
}

function hostProblem({ raw }: FastifyRequest, { settings, connections }: RouteContext): Problem | undefined {
  const { host = '' } = raw.headers;
  const given = raw.headersDistinct.host?.length ?? 0;
  // Browsers and whatever else follows the standard send exactly one.
  if (given > 1) return new Problem('bad-request', 'A request has one Host.');
  if (given === 0) {
    return raw.httpVersion === '1.1' ? new Problem('bad-request', 'A request of HTTP/1.1 needs a Host.') : undefined;
  }
  const allowed = settings.allowedHosts ?? (connections.isOfLoopback(raw.socket) ? [] : undefined);
  if (allowed === undefined || isAllowedHost(host, allowed, raw.socket.localAddress)) return undefined;
  return new Problem(
    'wrong-host',
    `The Host ${JSON.stringify(clip(host, 100))} is none of those that it is called by. Who runs it allows names with ` +
      '--allowed-hosts, or allowedHosts.',
  );
}

function originProblem({ method, headers }: FastifyRequest, { settings: { cors } }: RouteContext): Problem | undefined {
  const isRefused =
    cors.length > 0 && isPreflight(method, headers)
      ? corsHeaders(cors, headers.origin)['access-control-allow-origin'] === undefined
      : isForeign(method, headers, cors);
  if (!isRefused) return undefined;
  const origin = headers.origin === undefined ? 'another origin' : JSON.stringify(clip(headers.origin, 100));
  return new Problem(
    'cross-origin',
    `Pages of ${origin} may not use this server. Who runs it allows origins with --cors, or cors.`,
  );
}

function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? '';
}

function nothingAt(request: FastifyRequest, answered: ReadonlyMap<string, readonly string[]>): Problem {
  const allowed = answered.get(pathOf(request));
  if (allowed === undefined) return new Problem('not-found', 'The addresses are listed in /openapi.json.');
  return new Problem('method-not-allowed', `${request.method} is not answered here.`, {
    headers: { allow: allowed.join(', ') },
  });
}

function observe(
  request: FastifyRequest,
  response: ServerResponse,
  wasSent: boolean,
  { start, images }: RequestNotes,
  onAccess: ServerSettings['onAccess'],
  metrics: ServerMetrics,
): void {
  const milliseconds = performance.now() - start;
  const status = wasSent ? response.statusCode : CLIENT_CLOSED;
  // Only routes that there are become labels: strangers must not make metrics.
  metrics.countRequest({ route: request.routeOptions.url ?? 'none', status, seconds: milliseconds / 1000 });
  onAccess?.({ method: request.method, url: request.url, status, milliseconds, images });
}
