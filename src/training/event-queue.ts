import type { TrainingEvent } from './events.js';

/**
 * Holds events for a reader that may be slow, late or never come. When it is full the oldest step event makes room; all
 * others are kept, of which a run has a few an epoch. Writing never waits.
 */
export class EventQueue implements AsyncIterable<TrainingEvent> {
  readonly #events: TrainingEvent[] = [];
  readonly #capacity: number;
  readonly #waiting: (() => void)[] = [];
  #end: { readonly failed: boolean; readonly error?: unknown } | null = null;

  constructor(capacity = 1024) {
    this.#capacity = capacity;
  }

  push(event: TrainingEvent): void {
    if (this.#end !== null) return;
    if (this.#events.length >= this.#capacity) {
      const oldest = this.#events.findIndex(({ type }) => type === 'step');
      if (oldest !== -1) this.#events.splice(oldest, 1);
    }
    this.#events.push(event);
    this.#wake();
  }

  /** No event follows; readers end. */
  end(): void {
    this.#end ??= { failed: false };
    this.#wake();
  }

  /** No event follows; readers throw this after the last one. */
  fail(error: unknown): void {
    this.#end ??= { failed: true, error };
    this.#wake();
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainingEvent, void, undefined> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
      } else if (this.#end !== null) {
        if (this.#end.failed) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }
}
