import { openLoader } from '../data/loader.js';
import { ResnetTorchError } from '../errors.js';
import { type Evaluated, Tally, type Truth } from '../metrics/counts.js';
import { needsScores } from '../metrics/registry.js';
import type { ResNet } from '../model/network.js';
import type { ImageFailure, NativeFileList, NativeImageCache, NativeLoader } from '../native/contract/data.js';
import type { Compute } from '../native/contract/model.js';
import type { NativeChunk, NativeSession } from '../native/contract/session.js';
import type { CheckpointWriter } from './checkpoint-writer.js';
import { ChunkSizer } from './chunks.js';
import type { CacheEvent, StepEvent, TrainingEvent } from './events.js';
import type { Gate } from './gate.js';
import { epochsOf, type Phase, type Phases, phaseAt, ratesAt, viewOf } from './phases.js';
import { type Advance, advance, type Progress } from './progress.js';
import type { RunCache } from './run-cache.js';
import type { RunSettings } from './settings.js';
import { perSecond } from './speed.js';
import { StepNotes } from './step-notes.js';

/** What the epochs of a run work with. */
export interface Workplace {
  readonly model: ResNet;
  readonly session: NativeSession;
  readonly files: {
    readonly train: NativeFileList;
    readonly val: NativeFileList;
  };
  /** Of the validation images. */
  readonly truth: Truth;
  readonly settings: RunSettings;
  readonly compute: Compute;
  readonly phases: Phases;
  readonly stepsPerEpoch: number;
  readonly workers: number | undefined;
  readonly cache: RunCache;
  readonly imageCache: NativeImageCache | null;
  readonly gate: Gate;
  emit(events: readonly TrainingEvent[]): Promise<void>;
}

/** Batches that are evaluated between two looks at the gate. */
const EVALUATED_AT_ONCE = 16;

export class EpochLoop {
  /** Null in a run without a directory. */
  readonly writer: CheckpointWriter | null;
  readonly #at: Workplace;
  readonly #sizer = new ChunkSizer();
  readonly #notes = new StepNotes();
  readonly #steps: number;
  #progress: Progress;
  #trainLoader: NativeLoader | null = null;
  #valLoader: NativeLoader | null = null;

  constructor(at: Workplace, progress: Progress, writer: CheckpointWriter | null) {
    this.#at = at;
    this.writer = writer;
    this.#progress = progress;
    this.#steps = epochsOf(at.phases) * at.stepsPerEpoch;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Ends the epoch that was trained and evaluated. */
  endEpoch(end: Omit<Extract<Advance, { type: 'evaluated' }>, 'type'>): void {
    this.#advance({ type: 'evaluated', ...end });
  }

  #advance(event: Advance): void {
    this.#progress = advance(this.#progress, event);
  }

  /** Trains on what is left of the epoch, or until the gate closes. */
  async train(): Promise<void> {
    const { stepsPerEpoch, gate } = this.#at;
    const { epoch, batch } = this.#progress;
    if (batch >= stepsPerEpoch) return;
    this.#trainLoader ??= this.#openTrain(epoch, batch);
    const loader = this.#trainLoader;
    try {
      while (this.#progress.batch < stepsPerEpoch && (await gate.pass())) await this.#chunk(loader);
    } finally {
      loader.dispose();
      this.#trainLoader = null;
    }
  }

  /** Lets go of what was decoded ahead. */
  dispose(): void {
    this.#trainLoader?.dispose();
    this.#valLoader?.dispose();
  }

  #openTrain(epoch: number, firstBatch: number): NativeLoader {
    const { settings } = this.#at;
    return openLoader({
      files: this.#at.files.train,
      ...viewOf(this.#phase(epoch), true),
      batchSize: settings.batchSize,
      epoch,
      seed: settings.seed,
      training: true,
      workers: this.#at.workers,
      skipCorrupt: settings.skipCorrupt,
      firstBatch,
      views: settings.cacheViews ?? 0,
      cache: this.#at.cache.handle,
      imageCache: this.#at.imageCache,
      device: this.#at.model.device,
    });
  }

  #openVal(): NativeLoader {
    const { settings } = this.#at;
    return openLoader({
      files: this.#at.files.val,
      ...viewOf(this.#phase(this.#progress.epoch), false),
      batchSize: settings.batchSize,
      epoch: 0,
      seed: settings.seed,
      training: false,
      workers: this.#at.workers,
      skipCorrupt: settings.skipCorrupt,
      cache: this.#at.cache.handle,
      imageCache: this.#at.imageCache,
      device: this.#at.model.device,
    });
  }

  async #chunk(loader: NativeLoader): Promise<void> {
    const { phases, stepsPerEpoch, gate, session } = this.#at;
    const { epoch, step, batch } = this.#progress;
    const count = this.#sizer.next(stepsPerEpoch - batch);
    const rates = ratesAt(phaseAt(phases, epoch), this.#progress, count, stepsPerEpoch);
    if (batch + count >= stepsPerEpoch) {
      // Evaluation comes next: its first images are decoded while this chunk trains.
      this.#valLoader ??= this.#openVal();
      this.#valLoader.start();
    }
    this.writer?.moving();
    let chunk: NativeChunk;
    try {
      chunk = await gate.call({ pausable: true }, (token) => session.run({ loader, rates }, token));
    } catch (error) {
      const steps = count === 1 ? `step ${step + 1}` : `one of steps ${step + 1} to ${step + count}`;
      throw this.#located(error, steps);
    }
    if (chunk.steps === 0 && chunk.exhausted) {
      throw new ResnetTorchError('ERR_INTERNAL', `The loader ended at batch ${batch} of ${stepsPerEpoch}.`);
    }
    this.#sizer.made(chunk.steps, chunk.waitMs + chunk.stepMs);
    const steps = [...this.#skip('train', chunk.failures), ...this.#count(chunk, rates)];
    const at = { epoch: this.#progress.epoch + 1, step: this.#progress.step };
    const notes = this.#notes.of(chunk, at, this.#progress.batch >= stepsPerEpoch);
    await this.#at.emit([...steps, ...notes, ...this.#news()]);
  }

  /** Of an epoch, counted from 0. */
  #phase(epoch: number): Phase {
    return phaseAt(this.#at.phases, epoch).phase;
  }

  /** Says where a value was lost. */
  #located(error: unknown, place: string): unknown {
    if (!(error instanceof ResnetTorchError) || error.code !== 'ERR_NON_FINITE') return error;
    return new ResnetTorchError('ERR_NON_FINITE', `Epoch ${this.#progress.epoch + 1}, ${place}: ${error.message}`, {
      cause: error,
    });
  }

  /** Adds a chunk to the progress; answers its steps as events. */
  #count(chunk: NativeChunk, rates: Float64Array): StepEvent[] {
    const { step: before, epoch } = this.#progress;
    const { groups } = this.#phase(epoch);
    const ms = chunk.waitMs + chunk.stepMs;
    const inChunk = chunk.images.reduce((sum, value) => sum + value, 0);
    const batches = Array.from({ length: chunk.steps }, (_, row) => ({
      images: chunk.images[row] ?? 0,
      loss: chunk.losses[row] ?? 0,
      correct: chunk.correct[row] ?? 0,
    }));
    this.#advance({ type: 'trained', batches, ms, waitMs: chunk.waitMs });
    return batches.map(({ images, loss, correct }, row) => ({
      type: 'step',
      epoch: epoch + 1,
      step: before + row + 1,
      steps: this.#steps,
      loss,
      accuracy: images === 0 ? 0 : correct / images,
      images,
      lr: Object.fromEntries(groups.map(({ name }, column) => [name, rates[row * groups.length + column] ?? 0])),
      imagesPerSecond: perSecond(inChunk, ms),
    }));
  }

  /** Files that fail do so in every epoch; each is told of once. */
  #skip(split: 'train' | 'val', failures: readonly ImageFailure[]): TrainingEvent[] {
    const known = new Set(this.#progress.skipped);
    const fresh = failures.filter(({ path }) => !known.has(path));
    if (fresh.length === 0) return [];
    this.#advance({ type: 'skipped', paths: fresh.map(({ path }) => path) });
    return fresh.map(({ path, message }) => ({
      type: 'skipped',
      split,
      path,
      message,
    }));
  }

  /** What has come to pass beside the steps. */
  #news(): TrainingEvent[] {
    return [...this.#cacheNews(), ...(this.writer?.news() ?? [])];
  }

  #cacheNews(): CacheEvent[] {
    const message = this.#at.cache.news();
    if (message === null) return [];
    return [{ type: 'cache', epoch: this.#progress.epoch + 1, step: this.#progress.step, message }];
  }

  /** Evaluates on the whole validation split; null when the gate closes before its end. */
  async evaluate(): Promise<Evaluated | null> {
    const { phases, gate, model, compute, truth, settings } = this.#at;
    const next = this.#progress.epoch + 1;
    if (next < epochsOf(phases)) {
      this.#trainLoader ??= this.#openTrain(next, 0);
      this.#trainLoader.start();
    }
    this.#valLoader ??= this.#openVal();
    const loader = this.#valLoader;
    const probabilities = needsScores(settings.bestMetric);
    const options = { loader, compute, maxBatches: EVALUATED_AT_ONCE, probabilities };
    const tally = new Tally(truth);
    try {
      for (let exhausted = false; !exhausted; ) {
        if (!(await gate.pass())) return null;
        const part = await gate.call({ pausable: false }, (token) => model.handle.evaluate(options, token));
        tally.add(part);
        await this.#at.emit([...this.#skip('val', part.failures), ...this.#news()]);
        exhausted = part.exhausted;
      }
    } catch (error) {
      if (gate.aborted && error instanceof ResnetTorchError && error.code === 'ERR_ABORTED') return null;
      throw this.#located(error, 'validation');
    } finally {
      loader.dispose();
      this.#valLoader = null;
    }
    return tally;
  }
}
