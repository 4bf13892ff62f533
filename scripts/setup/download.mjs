import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SetupError } from './errors.mjs';
import { byteProgress } from './output.mjs';

/** Without a byte for so long, a server counts as gone. */
const silenceMs = 60_000;
const mostRedirects = 5;

/** A file is not the one whose hash is known: nothing else is tried then, since someone may stand in the way. */
export class HashMismatch extends SetupError {
  /** @param {string} what @param {string} actual @param {string} expected */
  constructor(what, actual, expected) {
    super(
      `${what} is not the file that was expected: its SHA-256 is ${actual}, not ${expected}. Nothing of it was used.`,
    );
  }
}

/**
 * @typedef {object} DownloadRules
 * @property {string | undefined} sha256 in lower-case hex, where it is known
 * @property {boolean} allowHttp whether an address may be one of http
 */

/**
 * Downloads to a file; the caller gives a temporary one and renames it.
 *
 * @param {string} url
 * @param {string} file
 * @param {DownloadRules} rules
 * @returns {Promise<{ bytes: number }>}
 */
export async function download(url, file, { sha256, allowHttp }) {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), silenceMs);
  try {
    const response = await follow(url, allowHttp, stop.signal);
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
    const actual = hash.digest('hex');
    if (sha256 !== undefined && actual !== sha256) throw new HashMismatch(url, actual, sha256);
    return { bytes };
  } catch (error) {
    if (stop.signal.aborted) throw new SetupError(`no answer for ${silenceMs / 1000} s`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Follows redirects by itself, since fetch() would follow one from https to http.
 *
 * @param {string} url
 * @param {boolean} allowHttp
 * @param {AbortSignal} signal
 */
async function follow(url, allowHttp, signal) {
  let address = new URL(url);
  checkProtocol(address, allowHttp);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await fetch(address, { signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null) return response;
    await response.body?.cancel();
    const next = new URL(location, address);
    if (address.protocol === 'https:' && next.protocol !== 'https:')
      throw new SetupError(`${address.href} redirects from https to ${next.href}, which is refused`);
    checkProtocol(next, allowHttp);
    address = next;
  }
  throw new SetupError(`${url} redirects more than ${mostRedirects} times`);
}

/** @param {URL} address @param {boolean} allowHttp */
function checkProtocol({ protocol, href }, allowHttp) {
  if (protocol === 'https:' || (protocol === 'http:' && allowHttp)) return;
  const way = protocol === 'http:' ? ': anyone on the way could change it. --allow-http takes it all the same' : '';
  throw new SetupError(`${href} is no address of https${way}`);
}

/** The SHA-256 of a file, in lower-case hex. @param {string} file */
export async function hashFile(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
