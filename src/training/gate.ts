import type { NativeCancelToken } from '../native/contract/device.js';
import { native } from '../native/load.js';

/** Where a run is told to stop or to wait. Whatever native call is under way is told through its token. */
export class Gate {
  readonly #signal: AbortSignal | undefined;
  #paused = false;
  #resume: (() => void) | null = null;
  #token: NativeCancelToken | null = null;
  #pausable = false;
  #abandon: (() => void) | null = null;
  readonly #onAbort = (): void => {
    this.#token?.cancel();
    this.#resume?.();
    this.#abandon?.();
  };

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get aborted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** What the signal was aborted with. */
  get reason(): unknown {
    return this.#signal?.reason;
  }

  throwIfAborted(): void {
    this.#signal?.throwIfAborted();
  }

  pause(): void {
    this.#paused = true;
    if (this.#pausable) this.#token?.cancel();
  }

  resume(): void {
    this.#paused = false;
    this.#resume?.();
  }

  /** Waits while paused. The answer is false when the run is to end. */
  async pass(): Promise<boolean> {
    while (this.#paused && !this.aborted) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
      this.#resume = null;
    }
    return !this.aborted;
  }

  /** Waits for work that cannot be told to end. An abortion abandons it, and the answer is then false. */
  async wait(work: Promise<void>): Promise<boolean> {
    const abandoned = new Promise<boolean>((resolve) => {
      // Work that ends because of the abortion, or aborts as the last thing it does, has a turn to end in.
      this.#abandon = () => setImmediate(resolve, false);
    });
    if (this.aborted) this.#abandon?.();
    try {
      return await Promise.race([work.then(() => true), abandoned]);
    } catch (error) {
      if (this.aborted) return false;
      throw error;
    } finally {
      this.#abandon = null;
    }
  }

  /** Makes a call that an abortion ends early, and a pause too, where its work can go on from where it was ended. */
  async call<T>(o: { readonly pausable: boolean }, work: (token: NativeCancelToken) => Promise<T>): Promise<T> {
    this.#token = new (native().CancelToken)();
    this.#pausable = o.pausable;
    if (this.aborted || (this.#paused && o.pausable)) this.#token.cancel();
    try {
      return await work(this.#token);
    } finally {
      this.#token = null;
    }
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
