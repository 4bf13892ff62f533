import { Pull, type Pullable } from '../data/pull.js';
import { orAborted } from './call.js';

/** How the items of a source become results. */
export interface Work<I, T, R> {
  /** Results that are begun and were not asked for yet, at most. */
  readonly most: number;
  /** What is to be done for an item, at once, before the next item is asked for. */
  readonly open: (item: I, index: number) => readonly T[] | Promise<readonly T[]>;
  /** Waits until another may begin; every one that is let in is run. */
  readonly admit: () => Promise<void>;
  readonly run: (task: T) => Promise<R>;
  /** Ends all at once when it is aborted; `admit` and `run` must hear of it by themselves. */
  readonly signal: AbortSignal;
  /** Told once, when no result will be asked for any more; aborts the signal. */
  readonly end: () => void;
}

/**
 * Results in the order of the items they are made of, some of which are under way at a time. A consumer that is slow makes
 * the source wait. The first failure is the end; an end closes the source.
 */
export class InOrder<I, T, R> implements AsyncIterableIterator<R> {
  readonly #pull: Pull<I>;
  readonly #work: Work<I, T, R>;
  readonly #begun: Promise<R>[] = [];
  /** Wakes whoever waits for a change. */
  readonly #waiting: (() => void)[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #state: 'new' | 'open' | 'exhausted' | 'ended' = 'new';

  constructor(source: Pullable<I>, work: Work<I, T, R>) {
    this.#pull = new Pull(source);
    this.#work = work;
    work.signal.addEventListener('abort', () => void this.#pull.close(), { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<R, undefined>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Ends at once, also while a result is being waited for. */
  async return(): Promise<IteratorResult<R, undefined>> {
    await this.#end();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<never> {
    await this.#end();
    throw error;
  }

  async #next(): Promise<IteratorResult<R, undefined>> {
    if (this.#state === 'new') {
      this.#state = 'open';
      void this.#fill();
    }
    while (this.#begun.length === 0 && this.#state === 'open') await this.#change();
    const first = this.#state === 'ended' ? undefined : this.#begun[0];
    if (first === undefined) {
      await this.#end();
      return { done: true, value: undefined };
    }
    try {
      const value = await orAborted(first, this.#work.signal);
      this.#begun.shift();
      this.#changed();
      return { done: false, value };
    } catch (error) {
      if ((this.#state as string) === 'ended') return { done: true, value: undefined };
      await this.#end();
      throw error;
    }
  }

  /** Begins one after the other as long as there is room. */
  async #fill(): Promise<void> {
    try {
      for (let index = 0; await this.#room(); index++) {
        const { done, value } = await this.#orEnd(this.#pull.next());
        if (done === true) break;
        for (const task of await this.#orEnd(this.#work.open(value, index))) {
          if (!(await this.#room())) return;
          await this.#work.admit();
          this.#begin(this.#work.run(task));
        }
      }
    } catch (error) {
      this.#begin(Promise.reject(error));
    }
    if (this.#state === 'open') this.#state = 'exhausted';
    this.#changed();
  }

  #begin(result: Promise<R>): void {
    // Its failure is told when its turn comes.
    result.catch(() => undefined);
    this.#begun.push(result);
    this.#changed();
  }

  #orEnd<V>(value: V | Promise<V>): Promise<V> {
    return orAborted(value, this.#work.signal);
  }

  async #room(): Promise<boolean> {
    while (this.#state === 'open' && this.#begun.length >= this.#work.most) await this.#change();
    return this.#state === 'open';
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #end(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#work.end();
    this.#begun.length = 0;
    this.#changed();
    await this.#pull.close();
  }
}
