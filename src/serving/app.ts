import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { ServerMetrics } from './metrics.js';
import type { ServerSettings } from './options.js';
import { PROBLEM_TYPE, Problem, problemOf, shuttingDown } from './problem.js';
import { addRoutes, type RequestNotes, type RouteContext } from './routes.js';

/** The status that is counted where the client went away before its answer. */
const CLIENT_CLOSED = 499;

/** The web application: routes, problem documents, and what is counted and told of each request. */
export function createApp(context: RouteContext): FastifyInstance {
  const { settings, metrics } = context;
  const { timeoutMs, onError } = settings;
  const sendProblem = (error: unknown, reply: FastifyReply): FastifyReply => {
    const problem = problemOf(error);
    if (problem.problem === 'internal-error') onError(error);
    return reply.code(problem.status).headers(problem.headers).type(PROBLEM_TYPE).send(problem.toDocument());
  };
  const app = fastify({
    logger: false,
    return503OnClosing: false,
    requestTimeout: 2 * timeoutMs + 1000,
    http: {
      headersTimeout: timeoutMs,
      // Refused below, with a document.
      requireHostHeader: false,
      requestTimeout: 2 * timeoutMs + 1000,
      connectionsCheckingInterval: Math.min(1000, Math.max(50, timeoutMs / 4)),
    },
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
    const notes: RequestNotes = { start: performance.now(), images: 0 };
    request.setDecorator('notes', notes);
    reply.raw.once('close', () => observe(request, reply.raw, notes, settings, metrics));
    done(context.isClosing() ? shuttingDown() : lackOfHost(request));
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('x-content-type-options', 'nosniff');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    if (context.isClosing()) reply.header('connection', 'close');
    done(null, payload);
  });
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    refuseExpectation(response, metrics);
  });
  addRoutes(app, context);
  return app;
}

function lackOfHost({ raw }: FastifyRequest): Problem | undefined {
  if (raw.headers.host !== undefined || raw.httpVersion !== '1.1') return undefined;
  return new Problem('bad-request', 'A request of HTTP/1.1 needs a Host.');
}

function nothingAt({ method, url }: FastifyRequest, answered: ReadonlyMap<string, readonly string[]>): Problem {
  const allowed = answered.get(url.split('?')[0] ?? '');
  if (allowed === undefined) return new Problem('not-found', 'The addresses are listed in /openapi.json.');
  return new Problem('method-not-allowed', `${method} is not answered here.`, {
    headers: { allow: allowed.join(', ') },
  });
}

function observe(
  request: FastifyRequest,
  response: ServerResponse,
  { start, images }: RequestNotes,
  { onAccess }: ServerSettings,
  metrics: ServerMetrics,
): void {
  const milliseconds = performance.now() - start;
  const status = response.writableFinished ? response.statusCode : CLIENT_CLOSED;
  // Only routes that there are become labels: strangers must not make metrics.
  metrics.countRequest({ route: request.routeOptions.url ?? 'none', status, seconds: milliseconds / 1000 });
  onAccess?.({ method: request.method, url: request.url, status, milliseconds, images });
}

/** Node answers `Expect: 100-continue` by itself; this is for what else a client may expect. */
function refuseExpectation(response: ServerResponse, metrics: ServerMetrics): void {
  const problem = new Problem('expectation-failed', 'Nothing but 100-continue may be expected.');
  metrics.countRequest({ route: 'none', status: problem.status, seconds: 0 });
  response.writeHead(problem.status, { 'content-type': PROBLEM_TYPE }).end(JSON.stringify(problem.toDocument()));
}

/** Answers what never became a request: garbage, headers that are too long, or headers that did not arrive. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, metrics: ServerMetrics): void {
  const isAnswered = (socket as { _httpMessage?: ServerResponse })._httpMessage?.headersSent === true;
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable || isAnswered) {
    socket.destroy();
    return;
  }
  const problem = connectionProblem(error);
  metrics.countRequest({ route: 'none', status: problem.status, seconds: 0 });
  const body = JSON.stringify(problem.toDocument());
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function connectionProblem({ code }: NodeJS.ErrnoException): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('slow-request', 'The request did not arrive in time.');
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers-too-large', 'The headers are longer than 16 KiB.');
  return new Problem('bad-request', 'What was sent is no HTTP request.');
}
