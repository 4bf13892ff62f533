/** What a command ends with when it was told to stop. */
export class Interrupted extends Error {
  override readonly name = 'AbortError';
  /** 128 and the number of the signal, as shells have it. */
  readonly exitCode: number;
  readonly signal: 'SIGINT' | 'SIGTERM';

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('Stopped.');
    this.signal = signal;
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}

/**
 * Runs a command's work with a signal that Ctrl-C aborts. The first Ctrl-C lets the work end by itself, in order; the
 * second one ends the process at once. Throws `Interrupted` however the work took its abortion.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (name: 'SIGINT' | 'SIGTERM'): void => {
    const reason = new Interrupted(name);
    if (controller.signal.aborted) process.exit(reason.exitCode);
    process.stderr.write('\nStopping; press Ctrl-C again to stop at once.\n');
    controller.abort(reason);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Work that fails because it was told to stop fails in many ways; this is the one that counts.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
