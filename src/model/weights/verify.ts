import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { fileError, writeFileAtomic } from '../../files.js';
import { formatError } from './table.js';

/** What is written beside a downloaded file: its whole hash, and the file that was found to have it. */
interface HashRecord {
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

/** Where the hash of a file is kept. */
export function recordPath(path: string): string {
  return `${path}.sha256.json`;
}

/** Writes down the hash that a file was found to have. Where nothing can be written the file is hashed again each time. */
export async function recordHash(path: string, sha256: string): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  const record: HashRecord = { sha256, bytes: size, mtimeMs };
  await writeFileAtomic(recordPath(path), `${JSON.stringify(record)}\n`).catch(() => undefined);
}

/**
 * Makes sure that a file in the cache is still the one that was downloaded. One that was not touched since it was hashed
 * is known by its size and time of change; any other is hashed again, some 0.1 s for a ResNet-50.
 *
 * @param prefix first hexadecimal digits of the SHA-256, which its publisher gives
 * @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when it is another; the signal's reason
 */
export async function verifyCached(path: string, prefix: string, signal?: AbortSignal): Promise<void> {
  const record = await readRecord(path);
  const { size, mtimeMs } = await stat(path).catch((error: unknown) => {
    throw fileError('read the weights', path, error);
  });
  const wanted = record?.sha256.startsWith(prefix) ? record.sha256 : prefix;
  if (record !== null && wanted === record.sha256 && size === record.bytes && mtimeMs === record.mtimeMs) return;
  const found = await hashFile(path, signal);
  if (!found.startsWith(wanted)) {
    throw formatError(
      path,
      `is not the file that was downloaded: its SHA-256 is ${found}, and not ${wanted}${wanted.length < 64 ? '…' : ''}. It was ` +
        'damaged or replaced. Remove it, and it is downloaded again; weights of your own are named by their path.',
    );
  }
  await recordHash(path, found);
}

async function readRecord(path: string): Promise<HashRecord | null> {
  try {
    const record = JSON.parse(await readFile(recordPath(path), 'utf8')) as Partial<HashRecord> | null;
    const { sha256, bytes, mtimeMs } = record ?? {};
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return null;
    return typeof bytes === 'number' && typeof mtimeMs === 'number' ? { sha256, bytes, mtimeMs } : null;
  } catch {
    // None, or a damaged one, is as good as none: the file is hashed.
    return null;
  }
}

async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal })) {
      hash.update(chunk as Buffer);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw fileError('read the weights', path, error);
  }
  return hash.digest('hex');
}
