import { getMaxListeners, setMaxListeners } from 'node:events';
import { ResnetTorchError } from '../errors.js';
import type { NativeCancelToken } from '../native/contract/device.js';
import { native } from '../native/load.js';

/**
 * The work's answer; rejects with the signal's reason as soon as that is aborted. Unlike `Promise.race()` it leaves nothing
 * behind with what outlives the work.
 */
export function orAborted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * One call of a service: it ends early by its signal or its deadline, whichever comes first, and takes what was asked of
 * native code for it along. The caller hears of the end at once; native code drops what is cancelled when it comes to it.
 */
export class Call {
  readonly #controller = new AbortController();
  readonly #tokens = new Set<NativeCancelToken>();
  readonly #given: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (): void => this.end(this.#given?.reason);

  /** @param timeoutMs milliseconds until the call rejects with `ERR_DEADLINE` */
  constructor(given: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#given = given;
    allowMany(this.#controller.signal);
    if (given !== undefined) allowMany(given);
    if (given?.aborted === true) this.end(given.reason);
    given?.addEventListener('abort', this.#onAbort, { once: true });
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(
        () => this.end(new ResnetTorchError('ERR_DEADLINE', `There was no answer within ${timeoutMs} ms.`)),
        timeoutMs,
      );
    }
  }

  /** Aborted with the reason for which the call ends. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(reason: unknown): void {
    this.#controller.abort(reason);
    for (const token of this.#tokens) token.cancel();
  }

  /** The work's answer; rejects at once when the call ends. */
  within<T>(work: Promise<T>): Promise<T> {
    return orAborted(work, this.signal);
  }

  async native<T>(work: (token: NativeCancelToken) => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const token = new (native().CancelToken)();
    this.#tokens.add(token);
    try {
      return await work(token);
    } finally {
      this.#tokens.delete(token);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener('abort', this.#onAbort);
  }
}

/** As many wait for a signal as calls and images are under way: no leak, which Node would warn of. */
function allowMany(signal: AbortSignal): void {
  try {
    if (getMaxListeners(signal) > 0) setMaxListeners(0, signal);
  } catch {
    // A signal that is not of Node has no such limit.
  }
}
