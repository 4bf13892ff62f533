import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SetupError } from './errors.mjs';
import { byteProgress } from './output.mjs';

/** Without a byte for so long, a server counts as gone. */
const silenceMs = 60_000;

/**
 * Downloads to a file; the caller gives a temporary one and renames it.
 *
 * @param {string} url
 * @param {string} file
 * @param {string | undefined} expectedHash SHA-256 in hex, where it is known
 * @returns {Promise<{ bytes: number }>}
 */
export async function download(url, file, expectedHash) {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), silenceMs);
  try {
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok || response.body === null)
      throw new SetupError(`the server answered ${response.status} ${response.statusText}`);
    const length = Number(response.headers.get('content-length')) || null;
    const hash = createHash('sha256');
    const progress = byteProgress('             download', length);
    let bytes = 0;
    const watch = new Transform({
      transform(chunk, _encoding, done) {
        clearTimeout(timer);
        timer = setTimeout(() => stop.abort(), silenceMs);
        bytes += chunk.length;
        hash.update(chunk);
        progress.add(chunk.length);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(/** @type {any} */ (response.body)), watch, createWriteStream(file));
    progress.end();
    if (length !== null && bytes !== length)
      throw new SetupError(`the download ended after ${bytes} of ${length} bytes`);
    const actualHash = hash.digest('hex');
    if (expectedHash !== undefined && actualHash !== expectedHash) {
      throw new SetupError(`its SHA-256 is ${actualHash}, not ${expectedHash}: not the file that was published`);
    }
    return { bytes };
  } catch (error) {
    if (stop.signal.aborted) throw new SetupError(`no answer for ${silenceMs / 1000} s`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
