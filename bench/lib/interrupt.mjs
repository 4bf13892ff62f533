import { stopChildren } from './children.mjs';
import { say } from './say.mjs';

/** Ctrl-C, or a request to end: children are stopped, and what awaits them is rejected. */
function interruptSignal() {
  const controller = new AbortController();
  let pressed = 0;
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(name, () => {
      pressed++;
      if (pressed > 1) process.exit(130);
      controller.abort(new Error('Stopped. What was finished is kept.'));
      stopChildren();
    });
  }
  return controller.signal;
}

/**
 * A benchmark that Ctrl-C may end, orderly and with the exit status of that.
 * @param {(signal: AbortSignal) => Promise<void>} run
 */
export async function interruptible(run) {
  const signal = interruptSignal();
  try {
    await run(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    say(/** @type {Error} */ (signal.reason).message);
    process.exitCode = 130;
  }
}
