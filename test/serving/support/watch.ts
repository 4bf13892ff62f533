/** Lets a test wait until something holds, which is looked at whenever something happens: no clock is asked. */
export class Watch {
  #woken: (() => void)[] = [];

  happened(): void {
    const woken = this.#woken;
    this.#woken = [];
    for (const wake of woken) wake();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#woken.push(resolve);
      });
    }
  }
}

/** What waits until it is let through. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
