import { overloaded } from './problem.js';

/** What one request holds of a budget. */
export interface Share {
  /** Does nothing once the share was given back. @throws Problem `overloaded` where the budget has no more */
  take(amount: number): void;
  /** Gives all of it back. */
  release(): void;
}

/** What all requests together may hold; one that is alone may hold more, or it would never be answered. */
export class Budget {
  readonly limit: number;
  #held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  open(): Share {
    let own = 0;
    let isOpen = true;
    return {
      take: (amount) => {
        if (!isOpen) return;
        const others = this.#held - own;
        if (others > 0 && this.#held + amount > this.limit) throw overloaded();
        own += amount;
        this.#held += amount;
      },
      release: () => {
        this.#held -= own;
        own = 0;
        isOpen = false;
      },
    };
  }
}

/** What a server may hold in memory at once, until the answers have gone out. */
export interface Budgets {
  /** Bytes of bodies. */
  readonly bodies: Budget;
  /** Bytes of answers to predictions. */
  readonly answers: Budget;
  /** By model, images. */
  readonly images: ReadonlyMap<string, Budget>;
}
