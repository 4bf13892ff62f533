import { collectDataset, type LabelledImages } from '../data/collect.js';
import { Dataset } from '../data/dataset.js';
import { ResNet50 } from '../model/resnet50.js';
import { describe, invalidArgument } from '../options.js';
import { EventQueue } from './event-queue.js';
import type { TrainingEvent, TrainingResult } from './events.js';
import { Gate } from './gate.js';
import type { TrainOptions } from './options.js';
import { prepare } from './prepare.js';
import type { TrainingRun } from './run.js';
import type { RunCache } from './run-cache.js';
import { RunDirectory } from './run-directory.js';
import { runEpochs } from './run-epochs.js';
import {
  checkCudaGraph,
  type RunConditions,
  type RunSettings,
  resolveConditions,
  resolveSettings,
} from './settings.js';

/**
 * Fine-tunes a model on a data set's `train` split and evaluates it on `val` after each epoch. The run begins at once
 * and goes on whether or not its events are read. The model ends with the weights of the last epoch; those of the best
 * one are in the run directory.
 *
 * @param data labels are matched to the model's classes by name; a model whose classes are a number takes the names.
 *   Images that do not lie in folders may be given as they are, by an iterable: it is read to its end before training
 *   begins, as `collectDataset()` does with a fifth held back
 * @throws ERR_INVALID_ARGUMENT for options that are unknown, out of range or contradictory; ERR_BUSY while the model is
 *   being trained; ERR_DISPOSED. The run rejects with ERR_OUTPUT_EXISTS, ERR_DATASET, ERR_CHECKPOINT (when it is
 *   continued), ERR_IMAGE_DECODE, ERR_NON_FINITE, ERR_OUT_OF_MEMORY, ERR_FILE, or the signal's reason.
 */
export function train(model: ResNet50, data: Dataset | LabelledImages, options: TrainOptions = {}): TrainingRun {
  if (!(model instanceof ResNet50)) throw invalidArgument('The model of train() must be a ResNet50.');
  if (!(data instanceof Dataset) && !isIterable(data)) {
    throw invalidArgument(
      `The data of train() must be what openDataset() resolves to, or an iterable of { image, label }, not ${describe(data)}.`,
    );
  }
  const conditions = resolveConditions(options);
  checkCudaGraph(conditions.cudaGraph, model);
  const settings = conditions.resume ? null : resolveSettings(model, options);
  return new Run(model, data, conditions, settings);
}

function isIterable(data: unknown): data is LabelledImages {
  return typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || Symbol.iterator in data);
}

class Run implements TrainingRun {
  readonly result: Promise<TrainingResult>;
  readonly #queue = new EventQueue();
  readonly #gate: Gate;

  constructor(
    model: ResNet50,
    data: Dataset | LabelledImages,
    conditions: RunConditions,
    settings: RunSettings | null,
  ) {
    const release = model.acquire('a training run');
    this.#gate = new Gate(conditions.signal);
    this.result = this.#execute(model, data, conditions, settings).finally(release);
    // The reader hears of the end when the model is free again.
    this.result.then(
      (result) => {
        this.#queue.push(result);
        this.#queue.end();
      },
      (error: unknown) => this.#queue.fail(error),
    );
  }

  [Symbol.asyncIterator](): AsyncIterator<TrainingEvent> {
    return this.#queue[Symbol.asyncIterator]();
  }

  pause(): void {
    this.#gate.pause();
  }

  resume(): void {
    this.#gate.resume();
  }

  async #execute(
    model: ResNet50,
    given: Dataset | LabelledImages,
    conditions: RunConditions,
    settings: RunSettings | null,
  ): Promise<TrainingResult> {
    const directory = conditions.out === null ? null : new RunDirectory(conditions.out);
    const held: { dispose(): void }[] = [];
    let cache: RunCache | null = null;
    try {
      this.#gate.throwIfAborted();
      const data = given instanceof Dataset ? given : await collect(given, model, conditions, settings);
      if (data !== given) held.push(data);
      const prepared = await prepare({
        model,
        data,
        conditions,
        settings,
        directory,
        held,
      });
      cache = prepared.cache;
      this.#gate.throwIfAborted();
      const emit = async (events: readonly TrainingEvent[]): Promise<void> => {
        for (const event of events) this.#queue.push(event);
        await directory?.append(events);
      };
      return await runEpochs({
        ...prepared,
        model,
        directory,
        gate: this.#gate,
        workers: conditions.workers,
        onEpoch: conditions.onEpoch,
        emit,
      });
    } finally {
      this.#gate.close();
      await cache?.close();
      await directory?.close();
      for (const handle of held.reverse()) handle.dispose();
    }
  }
}

/** What a continued run left out is left out again: its list of files is compared. */
function collect(
  images: LabelledImages,
  model: ResNet50,
  { signal }: RunConditions,
  settings: RunSettings | null,
): Promise<Dataset> {
  return collectDataset(images, {
    ...(model.classesAreNamed ? { classes: model.classes } : {}),
    ...(signal === undefined ? {} : { signal }),
    skipCorrupt: settings?.skipCorrupt ?? true,
  });
}
