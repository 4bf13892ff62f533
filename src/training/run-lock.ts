import { constants } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ResnetTorchError } from '../errors.js';
import { fileError, systemCode } from '../files.js';
import { native } from '../native/load.js';

/** Who writes to a run directory. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When it began, as ISO 8601 has it. */
  readonly since: string;
}

/**
 * Keeps a second run out of a directory. The lock belongs to an open file, not to a process id that a file tells of: it
 * ends with its process however that ends, and holds between containers, where process ids repeat. What the file says is
 * for people.
 */
export class RunLock {
  /** False where the file system knows no locks, and nothing keeps a second run out. */
  readonly holds: boolean;
  readonly #path: string;
  #file: FileHandle | null;

  private constructor(path: string, file: FileHandle | null) {
    this.#path = path;
    this.#file = file;
    this.holds = file !== null;
  }

  /**
   * Takes the lock without waiting, and writes to the directory for it: where that cannot be done, nothing else can.
   *
   * @throws ResnetTorchError `ERR_BUSY` naming who has it; `ERR_FILE` where the file cannot be written
   */
  static async take(path: string): Promise<RunLock> {
    for (;;) {
      const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644).catch((error: unknown) => {
        throw fileError('write', path, error);
      });
      let keep = false;
      try {
        const outcome = native().tryLock(file.fd);
        if (outcome === 'held') throw await busy(path, file);
        // Between opening and locking, its holder may have let go of the file and removed it.
        if (outcome === 'taken' && !(await isAt(file, path))) continue;
        await describeHolder(path, file);
        keep = outcome === 'taken';
        return new RunLock(path, keep ? file : null);
      } finally {
        if (!keep) await file.close();
      }
    }
  }

  /** Removes the file and lets others in. Idempotent. */
  async release(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (!this.holds || file !== null) await rm(this.#path, { force: true }).catch(() => undefined);
    await file?.close();
  }
}

async function isAt(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [own, there] = await Promise.all([file.stat({ bigint: true }), stat(path, { bigint: true })]);
    return own.ino === there.ino && own.dev === there.dev;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw fileError('read', path, error);
  }
}

async function describeHolder(path: string, file: FileHandle): Promise<void> {
  const since = new Date(Date.now() - process.uptime() * 1000).toISOString();
  const holder: Holder = { pid: process.pid, host: hostname(), since };
  try {
    await file.truncate();
    await file.write(`${JSON.stringify(holder)}\n`, 0);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw fileError('write', path, error);
  }
}

/** A holder that has just taken the lock says so within some milliseconds. */
const LOOKS = 20;
const BETWEEN_LOOKS_MS = 25;

async function busy(path: string, file: FileHandle): Promise<ResnetTorchError> {
  const holder = await readHolder(file);
  const who =
    holder === null ? 'another process' : `process ${holder.pid} on ${holder.host}, which began at ${holder.since}`;
  return new ResnetTorchError(
    'ERR_BUSY',
    `Another run writes to ${dirname(path)}: ${who}. Wait until it ends, stop it, or name another directory.`,
  );
}

async function readHolder(file: FileHandle): Promise<Holder | null> {
  for (let look = 0; look < LOOKS; look++) {
    // What a killed process left there is written over by now.
    await delay(BETWEEN_LOOKS_MS);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
    try {
      return JSON.parse(buffer.toString('utf8', 0, bytesRead)) as Holder;
    } catch {}
  }
  return null;
}
