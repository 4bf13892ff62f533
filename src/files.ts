import { randomBytes } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ResnetTorchError } from './errors.js';

const SYMPTOMS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
  EIO: 'the device reported an input/output error',
};

/** The `code` of a Node.js system error such as `ENOENT`, or `undefined` for any other value. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a failed file operation into an `ERR_FILE`: `Cannot <action> <path>: <symptom>`. */
export function fileError(action: string, path: string, error: unknown): ResnetTorchError {
  if (error instanceof ResnetTorchError) return error;
  const code = systemCode(error);
  const symptom = (code && SYMPTOMS[code]) ?? (error instanceof Error ? error.message : String(error));
  return new ResnetTorchError('ERR_FILE', `Cannot ${action} ${path}: ${symptom}.`, { cause: error });
}

/** A name beside `path` for a file that will be renamed to it. It differs from call to call and process to process. */
export function temporaryName(path: string, suffix = 'tmp'): string {
  // A file name holds 255 bytes at most on common file systems; the longest UTF-8 character takes four.
  const stem = [...basename(path)].slice(0, 40).join('');
  return join(dirname(path), `.${stem}.${process.pid}-${randomBytes(6).toString('hex')}.${suffix}`);
}

/** Makes a rename or a removal in `directory` last through a power cut, where the platform can do so. */
export async function syncDirectory(directory: string): Promise<void> {
  // Windows cannot open a directory for this; NTFS journals the rename itself.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems refuse to sync a directory; the data itself has been synced by then.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Writes a file so that a reader, or a crash at any moment, meets the old content or the new one, never a part: a
 * temporary file in the same directory, fsync, rename, fsync of the directory. The directory must exist.
 *
 * @param data text, bytes, or bytes in parts, which are asked for as they are written
 * @throws ResnetTorchError `ERR_FILE` with the path and the reason; the temporary file is removed.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await writeFile(handle, data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError('write', path, error);
  }
}
