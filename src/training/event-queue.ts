import type { TrainingEvent } from './events.js';

type Taken = IteratorResult<TrainingEvent, undefined>;

const OVER: Taken = { value: undefined, done: true };

/** What waits for an event that is not there yet. */
interface Waiting {
  readonly reader: Reader;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Holds events for readers that may be slow, late or never come. When it is full the oldest step event makes room; all
 * others are kept, of which a run has a few an epoch. Writing never waits. Of several readers each event goes to one,
 * the one that has waited longest; a reader that is given up takes none with it.
 */
export class EventQueue implements AsyncIterable<TrainingEvent> {
  readonly #events: TrainingEvent[] = [];
  readonly #capacity: number;
  #waiting: Waiting[] = [];
  readonly #readers = new Set<Reader>();
  #end: { readonly failed: boolean; readonly error?: unknown } | null = null;

  constructor(capacity = 1024) {
    this.#capacity = capacity;
  }

  push(event: TrainingEvent): void {
    if (this.#end !== null) return;
    const first = this.#waiting.shift();
    if (first !== undefined) {
      first.resolve({ value: event, done: false });
      return;
    }
    if (this.#events.length >= this.#capacity) {
      const oldest = this.#events.findIndex(({ type }) => type === 'step');
      if (oldest !== -1) this.#events.splice(oldest, 1);
    }
    this.#events.push(event);
  }

  /** No event follows; readers end. */
  end(): void {
    this.#finish({ failed: false });
  }

  /** No event follows; readers throw this after the last one. Answers whether there are any. */
  fail(error: unknown): boolean {
    const isRead = this.#readers.size > 0;
    this.#finish({ failed: true, error });
    return isRead;
  }

  #finish(end: { readonly failed: boolean; readonly error?: unknown }): void {
    this.#end ??= end;
    for (const waiting of this.#waiting.splice(0)) this.#settle(waiting, this.#end);
  }

  #settle({ resolve, reject, reader }: Waiting, end: { readonly failed: boolean; readonly error?: unknown }): void {
    reader.over = true;
    this.#readers.delete(reader);
    if (end.failed) reject(end.error);
    else resolve(OVER);
  }

  /** @internal */
  take(reader: Reader): Promise<Taken> {
    return new Promise((resolve, reject) => {
      const event = this.#events.shift();
      if (event !== undefined) resolve({ value: event, done: false });
      else if (this.#end !== null) this.#settle({ reader, resolve, reject }, this.#end);
      else this.#waiting.push({ reader, resolve, reject });
    });
  }

  /** @internal What a reader waits for goes to others. */
  giveUp(reader: Reader): void {
    this.#readers.delete(reader);
    const given = this.#waiting.filter((waiting) => waiting.reader === reader);
    this.#waiting = this.#waiting.filter((waiting) => waiting.reader !== reader);
    for (const { resolve } of given) resolve(OVER);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<TrainingEvent, undefined> {
    const reader = new Reader(this);
    this.#readers.add(reader);
    return reader;
  }
}

/** One iteration. As a generator would, it throws a failure once and is over then. */
class Reader implements AsyncIterableIterator<TrainingEvent, undefined> {
  over = false;

  constructor(private readonly queue: EventQueue) {}

  async next(): Promise<Taken> {
    return this.over ? OVER : this.queue.take(this);
  }

  async return(): Promise<Taken> {
    this.over = true;
    this.queue.giveUp(this);
    return OVER;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
