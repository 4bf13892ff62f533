import { type FileHandle, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ResnetTorchError } from '../errors.js';
import { fileError, makeDirectory, sweepTemporaries, syncDirectory, systemCode, writeFileAtomic } from '../files.js';
import type { TrainingEvent } from './events.js';
import { RunLock } from './run-lock.js';

/** Names in a run directory, beside `report.html`, which is made later. */
const CONFIG = 'config.json';
const EVENTS = 'events.jsonl';
const BEST = 'best.safetensors';
const CHECKPOINTS = 'checkpoints';
/** There while a run writes, and after one that was killed. */
const LOCK = 'run.lock';
const OWN_FILES = [
  CONFIG,
  EVENTS,
  BEST,
  'report.html',
  ...['last', 'next'].flatMap((name) => [`${CHECKPOINTS}/${name}.safetensors`, `${CHECKPOINTS}/${name}.state`]),
];

/** A model's weights and the optimizer state that belongs to them. */
export interface CheckpointPaths {
  readonly weights: string;
  readonly state: string;
}

/** All that `train` writes: config, events, the best checkpoint, and the last one with the state to go on from. */
export class RunDirectory {
  readonly path: string;
  readonly best: string;
  readonly last: CheckpointPaths;
  /** Where the last checkpoint is written before it takes the place of the one before. */
  readonly next: CheckpointPaths;
  #events: FileHandle | null = null;
  #lock: RunLock | null = null;
  /** Directories that were made for the run, the innermost first. */
  #made: readonly string[] = [];

  constructor(given: string) {
    const path = resolve(given);
    this.path = path;
    this.best = join(path, BEST);
    const pair = (name: string): CheckpointPaths => ({
      weights: join(path, CHECKPOINTS, `${name}.safetensors`),
      state: join(path, CHECKPOINTS, `${name}.state`),
    });
    this.last = pair('last');
    this.next = pair('next');
  }

  /** @throws ERR_OUTPUT_EXISTS when there is something that would be overwritten, and must not be */
  async check(overwrite: boolean): Promise<void> {
    let entries: readonly string[];
    try {
      entries = await readdir(this.path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      if (systemCode(error) === 'ENOTDIR') {
        throw new ResnetTorchError('ERR_OUTPUT_EXISTS', `The output ${this.path} is a file. Name another directory.`);
      }
      throw fileError('read the output directory', this.path, error);
    }
    if (entries.some((name) => name !== LOCK) && !overwrite) {
      throw new ResnetTorchError(
        'ERR_OUTPUT_EXISTS',
        `The output directory ${this.path} is not empty. Name another one, or replace the run in it with --overwrite (overwrite: true).`,
      );
    }
  }

  /** Whether this object keeps other runs out of the directory; null before `claim()`. */
  get isLocked(): boolean | null {
    return this.#lock?.holds ?? null;
  }

  /**
   * Makes the directory and keeps other runs out of it until `close()`. What is in it stays as it is. Does nothing where it
   * was done before.
   *
   * @param o as `train()` has them; a run that is continued must be there
   * @throws ERR_OUTPUT_EXISTS; ERR_CHECKPOINT where there is no run to continue; ERR_BUSY while another run writes there;
   *   ERR_FILE where nothing can be written
   */
  async claim(o: { readonly resume: boolean; readonly overwrite: boolean }): Promise<void> {
    if (this.#lock !== null) return;
    if (o.resume) await this.readConfig();
    else await this.check(o.overwrite);
    try {
      if (!o.resume) this.#made = await makeDirectory(this.path);
      this.#lock = await RunLock.take(join(this.path, LOCK));
      // Another run may have come and gone meanwhile.
      if (!o.resume) await this.check(o.overwrite);
      // Nobody else writes these while the lock is held, so that what is left of them has lost its writer.
      const abandoned = this.#lock.holds ? { before: Number.POSITIVE_INFINITY } : {};
      await sweepTemporaries(this.path, { ...abandoned, of: [CONFIG, EVENTS, BEST] });
      await sweepTemporaries(join(this.path, CHECKPOINTS), abandoned);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Puts the files of a run that was there before away, and writes `config.json`. */
  async create(config: object): Promise<void> {
    await makeDirectory(join(this.path, CHECKPOINTS));
    try {
      for (const file of OWN_FILES) await rm(join(this.path, file), { force: true });
    } catch (error) {
      throw fileError('replace the run in', this.path, error);
    }
    await writeFileAtomic(join(this.path, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
    await this.#openEvents('');
  }

  /** @throws ERR_CHECKPOINT when there is no run, or no JSON */
  async readConfig(): Promise<unknown> {
    let text: string;
    try {
      text = await readFile(join(this.path, CONFIG), 'utf8');
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR')
        throw fileError('read', join(this.path, CONFIG), error);
      throw new ResnetTorchError('ERR_CHECKPOINT', `${this.path} holds no ${CONFIG}: there is no run to continue.`);
    }
    try {
      return JSON.parse(text);
    } catch {
      throw new ResnetTorchError('ERR_CHECKPOINT', `${join(this.path, CONFIG)} is damaged: it is not JSON.`);
    }
  }

  /** Opens the events of a run that goes on, without those that lie after its checkpoint. */
  async reopen(keep: (event: TrainingEvent) => boolean): Promise<void> {
    const text = await readFile(join(this.path, EVENTS), 'utf8').catch(() => '');
    const kept = text.split('\n').filter((line) => {
      try {
        return keep(JSON.parse(line) as TrainingEvent);
      } catch {
        // The end of the text, or a line that a crash cut off.
        return false;
      }
    });
    await this.#openEvents(kept.map((line) => `${line}\n`).join(''));
  }

  async #openEvents(text: string): Promise<void> {
    const path = join(this.path, EVENTS);
    await writeFileAtomic(path, text);
    this.#events = await open(path, 'a');
  }

  /** Appends events, a line each. */
  async append(events: readonly TrainingEvent[]): Promise<void> {
    if (events.length === 0 || this.#events === null) return;
    try {
      await this.#events.appendFile(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    } catch (error) {
      throw fileError('write', join(this.path, EVENTS), error);
    }
  }

  /** Puts the checkpoint that was written as `next` in the place of the last one. */
  async promote(): Promise<void> {
    await this.#rename(this.next.weights, this.last.weights);
    await this.promoteState();
  }

  /** The second half of `promote()`. */
  async promoteState(): Promise<void> {
    await this.#rename(this.next.state, this.last.state);
    await syncDirectory(join(this.path, CHECKPOINTS));
  }

  async #rename(from: string, to: string): Promise<void> {
    try {
      await rename(from, to);
    } catch (error) {
      throw fileError('write', to, error);
    }
  }

  /** Lets other runs in, and leaves no empty directory behind that was made for this one. */
  async close(): Promise<void> {
    const events = this.#events;
    this.#events = null;
    await events?.sync().catch(() => undefined);
    await events?.close();
    const lock = this.#lock;
    this.#lock = null;
    await lock?.release();
    const made = this.#made;
    this.#made = [];
    for (const path of made) await rmdir(path).catch(() => undefined);
  }
}
