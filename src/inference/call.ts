import { ResnetTorchError } from '../errors.js';
import type { NativeCancelToken } from '../native/binding.js';
import { native } from '../native/load.js';

/**
 * One call of a service: it ends early by its signal or its deadline, whichever comes first, and takes what was asked of
 * native code for it along. The caller hears of the end at once; native code drops what is cancelled when it comes to it.
 */
export class Call {
  readonly #controller = new AbortController();
  readonly #tokens = new Set<NativeCancelToken>();
  readonly #ended: Promise<never>;
  readonly #given: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (): void => this.end(this.#given?.reason);

  /** @param timeoutMs milliseconds until the call rejects with `ERR_DEADLINE` */
  constructor(given: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#given = given;
    this.#ended = new Promise((_, reject) => {
      this.#controller.signal.addEventListener('abort', () => reject(this.#controller.signal.reason), { once: true });
    });
    this.#ended.catch(() => undefined);
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
    return Promise.race([work, this.#ended]);
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
