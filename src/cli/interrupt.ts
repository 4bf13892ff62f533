import { constants } from 'node:os';

/** Ctrl-C; what a service manager or a scheduler sends; what a terminal sends that is closed. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A signal that tells a command to stop. */
export type StopSignal = (typeof STOP_SIGNALS)[number];

/** What a command ends with when it was told to stop. */
export class Interrupted extends Error {
  override readonly name = 'AbortError';
  /** 128 and the number of the signal, as shells have it. */
  readonly exitCode: number;
  readonly signal: StopSignal;

  constructor(signal: StopSignal) {
    super('Stopped.');
    this.signal = signal;
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** The first signal's answer, which tells how to stop at once by the means that are at hand. */
function describeStop(signal: StopSignal): string {
  return signal === 'SIGINT'
    ? '\nStopping; press Ctrl-C again to stop at once.\n'
    : `Stopping, as ${signal} asks for; another signal stops at once.\n`;
}

/**
 * Runs a command's work with a signal that Ctrl-C, SIGTERM and SIGHUP abort. The first of them lets the work end by itself,
 * in order; the second one ends the process at once. Throws `Interrupted` however the work took its abortion.
 *
 * @param signals those that stop it, where some mean something else to it
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signals: readonly StopSignal[] = STOP_SIGNALS,
): Promise<T> {
  const controller = new AbortController();
  const stop = (name: StopSignal): void => {
    const reason = new Interrupted(name);
    if (controller.signal.aborted) process.exit(reason.exitCode);
    process.stderr.write(describeStop(name));
    controller.abort(reason);
  };
  for (const name of signals) process.on(name, stop);
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Work that fails because it was told to stop fails in many ways; this is the one that counts.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}
