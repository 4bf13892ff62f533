import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ResnetTorchError } from './errors.js';
import { isError } from './kinds.js';

const SYMPTOMS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'it is a directory',
  EEXIST: 'there is a file of that name',
  ENOTDIR: 'a part of the path is not a directory',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
  ENOTEMPTY: 'the directory is not empty',
  EBUSY: 'it is in use',
  EXDEV: 'it lies on another file system',
  ESTALE: 'the network file system has lost it',
  EIO: 'the device reported an input/output error',
};

/** The `code` of a Node.js system error such as `ENOENT`, or `undefined` for any other value. */
export function systemCode(error: unknown): string | undefined {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a failed file operation into an `ERR_FILE`: `Cannot <action> <path>: <symptom>`. */
export function fileError(action: string, path: string, error: unknown): ResnetTorchError {
  if (error instanceof ResnetTorchError) return error;
  const code = systemCode(error);
  const symptom = (code && SYMPTOMS[code]) ?? (isError(error) ? error.message : String(error));
  return new ResnetTorchError('ERR_FILE', `Cannot ${action} ${path}: ${symptom}.`, { cause: error });
}

/**
 * A name beside `path` for a file that will be renamed to it: `.<name>.<random hexadecimal digits>.<suffix>`. Process ids
 * repeat, in containers above all, so there is none in it.
 */
export function temporaryName(path: string, suffix = 'tmp'): string {
  // A file name holds 255 bytes at most on common file systems; the longest UTF-8 character takes four.
  const stem = [...basename(path)].slice(0, 40).join('');
  return join(dirname(path), `.${stem}.${randomBytes(8).toString('hex')}.${suffix}`);
}

/** As `temporaryName()` and native code name them, and as earlier versions of native code did. */
const TEMPORARY = /^(?:\.(.+)\.[0-9a-f]{16}|(.+)\.\d+-\d+)\.tmp$/;

/** A file that is being written is written to: one that was left alone for so long has lost its writer. Milliseconds. */
const ABANDONED_AFTER = 3_600_000;

/**
 * Removes the temporary files in `directory` whose writer was killed. What cannot be removed stays.
 *
 * @param o `before`: when they were last written to, milliseconds; by default an hour ago. `of`: the names of the files that
 *   they were to become; by default any
 */
export async function sweepTemporaries(
  directory: string,
  o: { readonly before?: number; readonly of?: readonly string[] } = {},
): Promise<void> {
  const before = o.before ?? Date.now() - ABANDONED_AFTER;
  for (const name of await readdir(directory).catch(() => [])) {
    const [, file, formerly] = TEMPORARY.exec(name) ?? [];
    const becomes = file ?? formerly;
    if (becomes === undefined || o.of?.includes(becomes) === false) continue;
    const path = join(directory, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile() && entry.mtimeMs < before) await rm(path, { force: true }).catch(() => undefined);
  }
}

/**
 * Makes a directory and those above it. Says why where it cannot: the recursive `mkdir` of Node.js calls a read-only file
 * system a missing directory.
 *
 * @returns the directories that were not there before, the innermost first
 * @throws ResnetTorchError `ERR_FILE` with the path and the reason
 */
export async function makeDirectory(path: string): Promise<readonly string[]> {
  try {
    return await makeMissing(path);
  } catch (error) {
    throw fileError('make the directory', path, error);
  }
}

async function makeMissing(path: string): Promise<readonly string[]> {
  const made: string[] = [];
  try {
    await mkdir(path).catch(async (error: unknown) => {
      const above = dirname(path);
      if (systemCode(error) !== 'ENOENT' || above === path) throw error;
      made.push(...(await makeMissing(above)));
      await mkdir(path);
    });
    return [path, ...made];
  } catch (error) {
    // What is there need not be made, whatever else would have kept it from being.
    if ((await stat(path).catch(() => undefined))?.isDirectory()) return made;
    throw error;
  }
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
