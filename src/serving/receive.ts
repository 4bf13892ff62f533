import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.js';

export interface ReceiveLimits {
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
}

export function bodyTooLarge(limit: number): Problem {
  return new Problem('body-too-large', `The body is larger than the ${limit} bytes that are taken.`);
}

/**
 * Hands on the chunks of a body as they arrive. What is left of a body that is refused is read and forgotten, so that
 * its sender gets to hear why.
 *
 * @throws Problem `body-too-large`, `slow-request`, or `bad-request` when the sender went away; what `take` throws
 */
export function receive(
  request: IncomingMessage,
  { maxBodyBytes, timeoutMs }: ReceiveLimits,
  take: (chunk: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const settle = (problem?: unknown): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      request.resume();
      if (problem === undefined) resolve();
      else reject(problem);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) {
        settle(bodyTooLarge(maxBodyBytes));
        return;
      }
      try {
        take(chunk);
      } catch (error) {
        settle(error);
      }
    };
    const onEnd = (): void => settle();
    const onClose = (): void => settle(new Problem('bad-request', 'The connection was closed before the body ended.'));
    const timer = setTimeout(() => settle(slow(timeoutMs)), timeoutMs);
    request.on('data', onData).on('end', onEnd).on('close', onClose);
    // An `error` comes before `close`, and is told by it.
    request.on('error', () => undefined);
    if (request.destroyed) onClose();
  });
}

function slow(timeoutMs: number): Problem {
  return new Problem('slow-request', `The body did not arrive within ${timeoutMs} ms.`, {
    headers: { connection: 'close' },
  });
}
