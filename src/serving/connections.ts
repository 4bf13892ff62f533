import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { isLoopback } from './hosts.js';
import type { ServerMetrics } from './metrics.js';
import type { ServerSettings } from './options.js';

/** A request and its answer, until the answer was handed to the system whole or the connection is gone. */
export class Exchange {
  isSending = false;
  #wasSent: boolean | undefined;
  #works: ((wasSent: boolean) => void)[] = [];

  /** Calls `work` when it is over, at once where it is already, with whether the whole answer went out. */
  onOver(work: (wasSent: boolean) => void): void {
    if (this.#wasSent === undefined) this.#works.push(work);
    else work(this.#wasSent);
  }

  end(wasSent: boolean): void {
    if (this.#wasSent !== undefined) return;
    this.#wasSent = wasSent;
    const works = this.#works;
    this.#works = [];
    for (const work of works) work(wasSent);
  }
}

/** What goes on in one connection. */
interface Line {
  /** In the order in which they are answered: a client may ask again before it was answered. */
  readonly exchanges: Exchange[];
  /** Ends a client that does not read the first answer. */
  deadline: NodeJS.Timeout | undefined;
}

/** The connections of a server: how many there may be, what is under way in them, and how long an answer may take to be read. */
export class Connections {
  readonly #settings: ServerSettings;
  readonly #metrics: ServerMetrics;
  readonly #lines = new Map<Socket, Line>();
  /** Those of the server's own port: a server that calls `handler` looks after its own. */
  readonly #own = new Set<Socket>();
  #isBoundToLoopback = false;
  #isClosing = false;

  constructor(settings: ServerSettings, metrics: ServerMetrics) {
    this.#settings = settings;
    this.#metrics = metrics;
  }

  /** Whether a connection came to a port that only this machine can reach. */
  isOfLoopback(socket: Socket): boolean {
    return this.#isBoundToLoopback && this.#own.has(socket);
  }

  /** The server that listens. */
  openServer(handler: RequestListener): Server {
    const { timeoutMs, keepAliveMs, maxConnections } = this.#settings;
    const server = createServer(
      {
        headersTimeout: timeoutMs,
        requestTimeout: 2 * timeoutMs + 1000,
        keepAliveTimeout: keepAliveMs,
        connectionsCheckingInterval: Math.min(1000, Math.max(50, timeoutMs / 4)),
        // Refused by the application, with a document.
        requireHostHeader: false,
      },
      handler,
    );
    server.maxConnections = maxConnections;
    server.on('listening', () => {
      this.#isBoundToLoopback = isLoopback((server.address() as AddressInfo).address);
    });
    server.on('connection', (socket: Socket) => {
      this.#own.add(socket);
      this.#lineOf(socket);
      this.#metrics.setConnections(this.#own.size);
      // Who waits between two requests makes room for who has one.
      if (this.#own.size >= maxConnections) server.closeIdleConnections();
    });
    server.on('drop', () => this.#metrics.countClosed('limit'));
    const closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => this.#closeIdle(closeIdle);
    return server;
  }

  /** @returns over when the response is closed, or its connection is */
  begin({ socket }: IncomingMessage, response: ServerResponse): Exchange {
    const line = this.#lineOf(socket);
    const exchange = new Exchange();
    line.exchanges.push(exchange);
    let wasSent = false;
    // Node says so of an answer, too, whose connection was cut in the middle of it.
    response.prependOnceListener('finish', () => {
      wasSent = !socket.destroyed;
    });
    response.once('close', () => {
      line.exchanges.splice(line.exchanges.indexOf(exchange), 1);
      this.#watch(socket, line);
      if (this.#isClosing && line.exchanges.length === 0 && this.#own.has(socket)) socket.destroySoon();
      exchange.end(wasSent);
    });
    return exchange;
  }

  /** To be called when all of an answer is given to its connection: from when it is next, its client has to read it in time. */
  sending({ socket }: IncomingMessage, exchange: Exchange): void {
    exchange.isSending = true;
    const line = this.#lines.get(socket);
    if (line?.exchanges[0] === exchange) this.#watch(socket, line);
  }

  /** From now on connections end with the answers that are under way. */
  close(): void {
    this.#isClosing = true;
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket);
    if (known !== undefined) return known;
    const line: Line = { exchanges: [], deadline: undefined };
    this.#lines.set(socket, line);
    socket.once('close', () => {
      clearTimeout(line.deadline);
      this.#lines.delete(socket);
      if (this.#own.delete(socket)) this.#metrics.setConnections(this.#own.size);
      // Answers that waited for their turn are told of by nobody else.
      for (const exchange of line.exchanges.splice(0)) exchange.end(false);
    });
    return line;
  }

  #watch(socket: Socket, line: Line): void {
    clearTimeout(line.deadline);
    if (line.exchanges[0]?.isSending !== true) return;
    line.deadline = setTimeout(() => {
      this.#metrics.countClosed('slow-reader');
      socket.destroy();
    }, this.#settings.timeoutMs);
  }

  /**
   * Node takes a connection for idle whose answer is written, though its client has not read it yet; that one is kept.
   * And it keeps one on which nothing was ever asked; that one goes.
   */
  #closeIdle(closeIdle: () => void): void {
    const busy = [...this.#own].filter((socket) => (this.#lines.get(socket)?.exchanges.length ?? 0) > 0);
    for (const socket of busy) socket.destroy = () => socket;
    try {
      closeIdle();
    } finally {
      for (const socket of busy) Reflect.deleteProperty(socket, 'destroy');
    }
    if (!this.#isClosing) return;
    for (const socket of this.#own) if (socket.bytesRead === 0) socket.destroy();
  }
}
