/** Places for images that are under way: as many as there are, taken at once or waited for in line. */
export class Places {
  readonly #most: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether that many were free; if so they are taken. */
  take(count: number): boolean {
    if (this.#taken + count > this.#most) return false;
    this.#taken += count;
    return true;
  }

  /**
   * Takes one place as soon as there is one, in the order of asking.
   *
   * @throws the signal's reason when it is aborted first; then no place is taken
   */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.take(1)) return;
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.add(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  give(count: number): void {
    this.#taken -= count;
    for (const enter of this.#waiting) {
      if (!this.take(1)) return;
      this.#waiting.delete(enter);
      enter();
    }
  }
}
