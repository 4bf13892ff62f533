import { openLoader } from '../data/loader.js';
import { cropOptions } from '../data/transforms.js';
import { ResnetTorchError } from '../errors.js';
import type { ResNet50 } from '../model/resnet50.js';
import type {
  Compute,
  ImageFailure,
  NativeChunk,
  NativeFileList,
  NativeImageCache,
  NativeLoader,
  NativeSession,
} from '../native/binding.js';
import { rateRows, type Schedule } from '../optim/schedules.js';
import type { Progress } from './checkpoint.js';
import type { CheckpointWriter } from './checkpoint-writer.js';
import { ChunkSizer } from './chunks.js';
import { groupsWith } from './epoch-control.js';
import type { CacheEvent, StepEvent, TrainingEvent } from './events.js';
import type { Gate } from './gate.js';
import { addSums, NOTHING, perSecond, type Sums } from './metrics.js';
import type { RunCache } from './run-cache.js';
import type { RunSettings } from './settings.js';

/** What the epochs of a run work with. */
export interface Workplace {
  readonly model: ResNet50;
  readonly session: NativeSession;
  readonly files: {
    readonly train: NativeFileList;
    readonly val: NativeFileList;
  };
  readonly settings: RunSettings;
  readonly compute: Compute;
  readonly schedule: Schedule;
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
  readonly #steps: number;
  #progress: Progress;
  #trainLoader: NativeLoader | null = null;
  #valLoader: NativeLoader | null = null;

  constructor(at: Workplace, progress: Progress, writer: CheckpointWriter | null) {
    this.#at = at;
    this.writer = writer;
    this.#progress = progress;
    this.#steps = at.settings.epochs * at.stepsPerEpoch;
  }

  get progress(): Progress {
    return this.#progress;
  }

  set progress(value: Progress) {
    this.#progress = value;
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
      crop: cropOptions(settings.augment, settings.imageSize, settings.resize),
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
      crop: cropOptions('none', settings.imageSize, settings.resize),
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
    const { settings, schedule, stepsPerEpoch, gate, session } = this.#at;
    const { step, batch, changes } = this.#progress;
    const count = this.#sizer.next(stepsPerEpoch - batch);
    const rates = rateRows(groupsWith(settings.groups, changes), schedule, step, count, this.#steps);
    if (batch + count >= stepsPerEpoch) {
      // Evaluation comes next: its first images are decoded while this chunk trains.
      this.#valLoader ??= this.#openVal();
      this.#valLoader.start();
    }
    let chunk: NativeChunk;
    try {
      chunk = await gate.call({ pausable: true }, (token) => session.run({ loader, rates }, token));
    } catch (error) {
      throw this.#located(error, step + 1, step + count);
    }
    if (chunk.steps === 0 && chunk.exhausted) {
      throw new ResnetTorchError('ERR_INTERNAL', `The loader ended at batch ${batch} of ${stepsPerEpoch}.`);
    }
    this.#sizer.made(chunk.steps, chunk.waitMs + chunk.stepMs);
    const steps = [...this.#skip('train', chunk.failures), ...this.#count(chunk, rates)];
    await this.#at.emit([...steps, ...this.#news()]);
  }

  /** Says where the loss was lost. */
  #located(error: unknown, first: number, last: number): unknown {
    if (!(error instanceof ResnetTorchError) || error.code !== 'ERR_NON_FINITE') return error;
    const steps = first === last ? `step ${first}` : `one of steps ${first} to ${last}`;
    return new ResnetTorchError('ERR_NON_FINITE', `Epoch ${this.#progress.epoch + 1}, ${steps}: ${error.message}`, {
      cause: error,
    });
  }

  /** Adds a chunk to the progress; answers its steps as events. */
  #count(chunk: NativeChunk, rates: Float64Array): StepEvent[] {
    const { groups } = this.#at.settings;
    const { step: before, epoch, sums } = this.#progress;
    const milliseconds = chunk.waitMs + chunk.stepMs;
    let { images, lossSum, top1 } = sums;
    const inChunk = chunk.images.reduce((sum, value) => sum + value, 0);
    const events: StepEvent[] = [];
    for (let row = 0; row < chunk.steps; row++) {
      const count = chunk.images[row] ?? 0;
      const loss = chunk.losses[row] ?? 0;
      const correct = chunk.correct[row] ?? 0;
      images += count;
      lossSum += loss * count;
      top1 += correct;
      events.push({
        type: 'step',
        epoch: epoch + 1,
        step: before + row + 1,
        steps: this.#steps,
        loss,
        accuracy: count === 0 ? 0 : correct / count,
        images: count,
        lr: Object.fromEntries(groups.map(({ name }, column) => [name, rates[row * groups.length + column] ?? 0])),
        imagesPerSecond: perSecond(inChunk, milliseconds),
      });
    }
    this.#progress = {
      ...this.#progress,
      batch: this.#progress.batch + chunk.steps,
      step: before + chunk.steps,
      sums: { images, lossSum, top1, ms: sums.ms + milliseconds, waitMs: sums.waitMs + chunk.waitMs },
    };
    return events;
  }

  /** Files that fail do so in every epoch; each is told of once. */
  #skip(split: 'train' | 'val', failures: readonly ImageFailure[]): TrainingEvent[] {
    const known = new Set(this.#progress.skipped);
    const fresh = failures.filter(({ path }) => !known.has(path));
    if (fresh.length === 0) return [];
    this.#progress = {
      ...this.#progress,
      skipped: [...known, ...fresh.map(({ path }) => path)],
    };
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
  async evaluate(): Promise<Sums | null> {
    const { settings, gate, model, compute } = this.#at;
    const next = this.#progress.epoch + 1;
    if (next < settings.epochs) {
      this.#trainLoader ??= this.#openTrain(next, 0);
      this.#trainLoader.start();
    }
    this.#valLoader ??= this.#openVal();
    const loader = this.#valLoader;
    const options = { loader, compute, maxBatches: EVALUATED_AT_ONCE };
    let sums = NOTHING;
    try {
      for (let exhausted = false; !exhausted; ) {
        if (!(await gate.pass())) return null;
        const part = await gate.call({ pausable: false }, (token) => model.handle.evaluate(options, token));
        sums = addSums(sums, part);
        await this.#at.emit([...this.#skip('val', part.failures), ...this.#news()]);
        exhausted = part.exhausted;
      }
    } catch (error) {
      if (gate.aborted && error instanceof ResnetTorchError && error.code === 'ERR_ABORTED') return null;
      throw error;
    } finally {
      loader.dispose();
      this.#valLoader = null;
    }
    return sums;
  }
}
