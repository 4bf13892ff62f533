import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection that speaks as it is told to, and tells all that it heard when the server closed it. */
export class RawConnection {
  readonly socket: Socket;
  readonly #closed: Promise<unknown>;
  #heard = '';

  constructor(port: number, options: { readonly allowHalfOpen?: boolean } = {}) {
    this.socket = connect({ port, host: '127.0.0.1', ...options });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (data) => {
      this.#heard += data.toString('latin1');
    });
    this.#closed = new Promise((resolve) => this.socket.once('close', resolve));
  }

  get heard(): string {
    return this.#heard;
  }

  write(data: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(data);
  }

  /** Answers all that was heard once the words came. */
  async hears(words: string): Promise<string> {
    while (!this.#heard.includes(words)) {
      if (this.socket.closed) throw new Error(`It closed after ${JSON.stringify(this.#heard)}`);
      await Promise.race([once(this.socket, 'data').catch(() => undefined), this.#closed]);
    }
    return this.#heard;
  }

  /** All that was heard when the server shut its side: it may not be told so by this client's. */
  async ended(): Promise<string> {
    if (!this.socket.readableEnded) {
      await Promise.race([once(this.socket, 'end').catch(() => undefined), this.#closed]);
    }
    return this.#heard;
  }

  async closed(): Promise<string> {
    await this.#closed;
    return this.#heard;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** The head of a request for a prediction. */
export function head(headers: Readonly<Record<string, string | number>>, line = 'POST /v1/predict HTTP/1.1'): string {
  const all = { Host: '127.0.0.1', 'Content-Type': 'image/jpeg', ...headers };
  return `${line}\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}
