import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { bar, endBar, SetupError } from './log.mjs';

/**
 * Downloads to a file that appears whole or not at all.
 *
 * @param {string} url
 * @param {string} path
 * @param {{ sha256?: string | undefined, connectMs?: number }} options
 */
export async function download(url, path, options = {}) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error('no answer')), options.connectMs ?? 20_000);
  let response;
  try {
    response = await fetch(url, { signal: controller.signal });
  } catch (error) {
    throw new SetupError(`cannot be reached (${error.cause?.code ?? error.cause?.message ?? error.message})`);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok || response.body === null) throw new SetupError(`answers ${response.status} ${response.statusText}`);
  const temporary = `${path}.${process.pid}.part`;
  const total = Number(response.headers.get('content-length')) || null;
  const hash = createHash('sha256');
  let done = 0;
  const count = new Transform({
    transform(chunk, _, next) {
      hash.update(chunk);
      done += chunk.length;
      bar('downloading libtorch', done, total);
      next(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(temporary));
    endBar();
    if (total !== null && done !== total) throw new SetupError(`broke off after ${done} of ${total} bytes`);
    const sha256 = hash.digest('hex');
    if (options.sha256 !== undefined && sha256 !== options.sha256.toLowerCase()) {
      throw new SetupError(`has the SHA-256 ${sha256}, not ${options.sha256}`);
    }
    await rename(temporary, path);
  } catch (error) {
    endBar();
    await rm(temporary, { force: true });
    if (error instanceof SetupError) throw error;
    throw new SetupError(`broke off (${error.message})`);
  }
}
