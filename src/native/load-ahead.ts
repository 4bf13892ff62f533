import { Worker } from 'node:worker_threads';

/**
 * Begins to load the addon in another thread, for a process that will need it soon: libtorch takes some 400 ms, and the
 * first call of `native()` waits for what is left of them. What fails is told by that call.
 */
export function loadAhead(): void {
  const worker = new Worker(new URL('load-ahead-worker.js', import.meta.url));
  worker.on('error', () => undefined);
  worker.unref();
}
