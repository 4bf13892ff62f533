import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ServerMetrics } from './metrics.js';
import { PROBLEM_TYPE, Problem } from './problem.js';

/** Milliseconds that a client has to hear why it is refused, before its connection is cut. */
const LINGER_MS = 1000;

/** Node answers `Expect: 100-continue` by itself; this is for what else a client may expect. */
export function refuseExpectation(response: ServerResponse, metrics: ServerMetrics): void {
  const problem = new Problem('expectation-failed', 'Nothing but 100-continue may be expected.');
  metrics.countRequest({ route: 'none', status: problem.status, seconds: 0 });
  response.writeHead(problem.status, { 'content-type': PROBLEM_TYPE }).end(JSON.stringify(problem.toDocument()));
}

/** Answers what never became a request: garbage, headers that are too long, or headers that did not arrive. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, metrics: ServerMetrics): void {
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
  // A client that does not close its side would keep the connection for ever; one that is cut at once may hear nothing.
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(cut));
}

function connectionProblem({ code }: NodeJS.ErrnoException): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('slow-request', 'The request did not arrive in time.');
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers-too-large', 'The headers are longer than 16 KiB.');
  return new Problem('bad-request', 'What was sent is no HTTP request.');
}
