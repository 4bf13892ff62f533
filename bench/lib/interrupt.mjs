import { stopChildren } from './children.mjs';

/** Ctrl-C, or a request to end: children are stopped, and what awaits them is rejected. */
export function interruptSignal() {
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
