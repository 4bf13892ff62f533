import type { TrainingEvent } from './events.js';

const CAPACITY = 1024;

/** Events of which only the latest matter to a reader who is behind. */
function isProgress(event: TrainingEvent): boolean {
  return event.type === 'step' || event.type === 'evaluation';
}

/**
 * Events between a run and those who read it. A slow reader never holds up training: beyond the capacity the oldest
 * progress is dropped, never anything else. What came before the first reader is kept for it.
 */
export class EventQueue implements AsyncIterable<TrainingEvent> {
  readonly #events: TrainingEvent[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(event: TrainingEvent): void {
    this.#events.push(event);
    if (this.#events.length > CAPACITY) {
      const oldest = this.#events.findIndex(isProgress);
      if (oldest >= 0) this.#events.splice(oldest, 1);
    }
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainingEvent, void, undefined> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
