import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ResnetTorchError } from '../../errors.js';
import { fileError, syncDirectory, temporaryName } from '../../files.js';
import { isError } from '../../kinds.js';

export interface DownloadOptions {
  readonly url: string;
  /** The file to make. Its directory is made too. */
  readonly path: string;
  /** First hexadecimal digits of the SHA-256. */
  readonly sha256: string;
  /** Bytes so far, and in all where the server says so. Starts over when the server does not resume. */
  readonly onProgress?: ((bytes: number, total: number | null) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds before the first attempt to resume; doubled for each further one. */
  readonly retryMs?: number;
}

/** The server was not reached, answered with an error, or broke off. The message is a sentence without an end. */
export class Unavailable extends Error {}

const RESUMPTIONS = 4;
const STALE_MS = 24 * 60 * 60 * 1000;
const PART = 'part';

/**
 * Downloads a file and checks its hash. What is under way lies in a file of its own beside `path`, so that several
 * processes may download at once; a broken connection is resumed. At the end it is renamed to `path`, or removed.
 *
 * @returns the whole SHA-256, 64 hexadecimal digits
 * @throws Unavailable when the file cannot be had.
 * @throws ResnetTorchError `ERR_DOWNLOAD` when the hash differs, `ERR_FILE` when the file cannot be written.
 * @throws the signal's reason when it is aborted.
 */
export async function download(options: DownloadOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const part = temporaryName(options.path, PART);
  const handle = await openPart(options.path, part);
  try {
    const transfer = new Transfer(options, handle);
    let sha256: string;
    try {
      sha256 = await transfer.run();
      await handle.sync().catch(writeFailure(options.path));
    } finally {
      await handle.close();
    }
    await rename(part, options.path).catch(writeFailure(options.path));
    await syncDirectory(dirname(options.path));
    return sha256;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

function writeFailure(path: string): (error: unknown) => never {
  return (error) => {
    const failure = fileError('write', path, error);
    throw new ResnetTorchError(failure.code, `${failure.message} RESNET_TORCH_CACHE names another directory.`, {
      cause: error,
    });
  };
}

async function openPart(path: string, part: string): Promise<FileHandle> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await removeStaleParts(path);
    return await open(part, 'wx');
  } catch (error) {
    return writeFailure(path)(error);
  }
}

/** Parts of processes that were killed. One that still grows is never a day old. */
async function removeStaleParts(path: string): Promise<void> {
  const directory = dirname(path);
  const stem = `.${basename(path)}.`;
  for (const name of await readdir(directory)) {
    if (!name.startsWith(stem) || !name.endsWith(`.${PART}`)) continue;
    const file = join(directory, name);
    // Another process may remove it at the same moment.
    const status = await stat(file).catch(() => null);
    if (status !== null && Date.now() - status.mtimeMs > STALE_MS) await rm(file, { force: true });
  }
}

/** One file on its way, over as many connections as it takes. */
class Transfer {
  readonly #options: DownloadOptions;
  readonly #handle: FileHandle;
  #hash: Hash = createHash('sha256');
  #received = 0;
  #total: number | null = null;
  /** Says whether the file is still the same when the transfer is resumed. */
  #validator: string | null = null;
  #contentType = '';

  constructor(options: DownloadOptions, handle: FileHandle) {
    this.#options = options;
    this.#handle = handle;
  }

  /** @returns the hash of what came */
  async run(): Promise<string> {
    for (let resumption = 0; ; resumption += 1) {
      const before = this.#received;
      const fault = await this.#connect();
      if (fault === null) break;
      // A first connection that brings nothing will not fare better at once.
      if (resumption === RESUMPTIONS || (before === 0 && this.#received === 0)) throw fault;
      await delay((this.#options.retryMs ?? 500) * 2 ** resumption, undefined, {
        signal: this.#options.signal,
      }).catch(() => {
        this.#options.signal?.throwIfAborted();
      });
    }
    return this.#verify();
  }

  /** Takes what one connection brings. `null`: the file is complete; otherwise why not. */
  async #connect(): Promise<Unavailable | null> {
    const { url, signal } = this.#options;
    let response: Response;
    try {
      response = await fetch(url, {
        headers: this.#headers(),
        signal: signal ?? null,
      });
    } catch (error) {
      signal?.throwIfAborted();
      return new Unavailable(`the server was not reached (${reasonOf(error)})`, { cause: error });
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return new Unavailable(`the server answered ${response.status} ${response.statusText}`.trimEnd());
    }
    await this.#begin(response);
    try {
      for await (const chunk of response.body) await this.#take(chunk);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ResnetTorchError) throw error;
      return this.#brokenOff(reasonOf(error), error);
    }
    return this.#total !== null && this.#received < this.#total ? this.#brokenOff('the connection ended') : null;
  }

  #headers(): Record<string, string> {
    // Lengths and ranges are those of the file itself only when nothing compresses it on the way.
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (this.#received > 0 && this.#validator !== null) {
      headers.range = `bytes=${this.#received}-`;
      headers['if-range'] = this.#validator;
    }
    return headers;
  }

  /** Goes on where the transfer broke off if the server does so too, and else starts over. */
  async #begin(response: Response): Promise<void> {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    const resumes = response.status === 206 && range !== null && Number(range[1]) === this.#received;
    if (!resumes) {
      await this.#handle.truncate(0).catch(writeFailure(this.#options.path));
      this.#received = 0;
      this.#hash = createHash('sha256');
      this.#total = lengthOf(response);
      const tag = response.headers.get('etag');
      this.#validator = tag !== null && !tag.startsWith('W/') ? tag : response.headers.get('last-modified');
    }
    this.#contentType = response.headers.get('content-type') ?? '';
  }

  async #take(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const position = this.#received + done;
      const { bytesWritten } = await this.#handle
        .write(chunk, done, chunk.length - done, position)
        .catch(writeFailure(this.#options.path));
      done += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#received += chunk.length;
    this.#options.onProgress?.(this.#received, this.#total);
  }

  #brokenOff(reason: string, cause?: unknown): Unavailable {
    const size = this.#total === null ? '' : ` of ${this.#total}`;
    return new Unavailable(`the transfer broke off after ${this.#received}${size} bytes (${reason})`, { cause });
  }

  #verify(): string {
    const found = this.#hash.digest('hex');
    const { sha256, url } = this.#options;
    if (found.startsWith(sha256)) return found;
    const page = this.#contentType.includes('text/html')
      ? ' The answer was a web page: a proxy or a login page may stand between.'
      : '';
    throw new ResnetTorchError(
      'ERR_DOWNLOAD',
      `The download of ${url} is damaged: its SHA-256 begins with ${found.slice(0, sha256.length)}, not ${sha256}. ` +
        `It was removed.${page} Try again, or download the file by hand.`,
    );
  }
}

function lengthOf(response: Response): number | null {
  const text = response.headers.get('content-length');
  const length = text === null ? Number.NaN : Number(text);
  return Number.isSafeInteger(length) && length >= 0 ? length : null;
}

/** fetch says only "fetch failed"; the cause knows more. */
function reasonOf(error: unknown): string {
  const cause = isError(error) && isError(error.cause) ? error.cause : error;
  if (!isError(cause)) return String(cause);
  // A host with several addresses fails with an AggregateError, whose own message is empty.
  const { errors } = cause as Partial<AggregateError>;
  const first = isError(errors?.[0]) ? errors[0] : cause;
  return first.message || ('code' in first ? String(first.code) : first.name);
}
