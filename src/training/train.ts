import { collectDataset, type LabelledImages } from '../data/collect.js';
import { Dataset } from '../data/dataset.js';
import { refuseOutputInside } from '../data/output-place.js';
import { ResNet } from '../model/network.js';
import { type CallSite, calledFrom, callSite } from '../native/call-site.js';
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
 * What is wrong with the arguments by themselves is thrown at once. What shows only in files, in the images or in
 * training rejects `result`, and is thrown to whoever iterates the events.
 *
 * @param data labels are matched to the model's classes by name; a model whose classes are a number takes the names.
 *   Images that do not lie in folders may be given as they are, by an iterable: it is read to its end before training
 *   begins, as `collectDataset()` does with a fifth held back
 * @throws ERR_INVALID_ARGUMENT for a model or data that are none, and for options that are unknown, out of range or
 *   contradictory; ERR_DISPOSED where the model or the data set was disposed of; ERR_BUSY while the model is being trained.
 *   The run rejects with ERR_OUTPUT_EXISTS, ERR_BUSY where another run writes to `out`, ERR_DATASET, ERR_CHECKPOINT (when
 *   it is continued), ERR_IMAGE_DECODE, ERR_NON_FINITE, ERR_OUT_OF_MEMORY, ERR_FILE, ERR_INVALID_ARGUMENT for a `schedule`
 *   that gives no rate or does not go with the run that is continued and for batches that the data makes too small, what
 *   `onEpoch` threw, or the signal's reason.
 */
export function train(model: ResNet, data: Dataset | LabelledImages, options: TrainOptions = {}): TrainingRun {
  return startRun(model, data, options);
}

/**
 * `train()`, in a directory that may have been claimed before, for callers that have much to do until they can train.
 *
 * @param claimed the directory that `out` names; the run closes it
 */
export function startRun(
  model: ResNet,
  data: Dataset | LabelledImages,
  options: TrainOptions,
  claimed?: RunDirectory,
): TrainingRun {
  if (!(model instanceof ResNet)) throw invalidArgument('The model of train() must be a ResNet.');
  if (!(data instanceof Dataset) && !isIterable(data)) {
    throw invalidArgument(
      `The data of train() must be what openDataset() resolves to, or an iterable of { image, label }, not ${describe(data)}.`,
    );
  }
  if (data instanceof Dataset) data.requireOpen();
  const conditions = resolveConditions(options);
  checkCudaGraph(conditions.cudaGraph, model);
  const settings = conditions.resume ? null : resolveSettings(model, options);
  const directory = claimed ?? (conditions.out === null ? null : new RunDirectory(conditions.out));
  return new Run(model, data, conditions, settings, directory, callSite(train));
}

function isIterable(data: unknown): data is LabelledImages {
  return typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || Symbol.iterator in data);
}

class Run implements TrainingRun {
  readonly result: Promise<TrainingResult>;
  readonly #queue = new EventQueue();
  readonly #gate: Gate;

  constructor(
    model: ResNet,
    data: Dataset | LabelledImages,
    conditions: RunConditions,
    settings: RunSettings | null,
    directory: RunDirectory | null,
    site: CallSite,
  ) {
    const release = model.acquire('a training run');
    this.#gate = new Gate(conditions.signal);
    const run = this.#execute(model, data, conditions, settings, directory)
      .catch((error: unknown) => {
        throw calledFrom(error, site);
      })
      .finally(release);
    // The reader hears of the end when the model is free again.
    this.result = run.then(
      (result) => {
        this.#queue.push(result);
        this.#queue.end();
        return result;
      },
      (error: unknown) => {
        // A failure that a reader gets is not lost. One that nobody gets is an unhandled rejection, as of any promise.
        if (this.#queue.fail(error)) this.result.catch(() => undefined);
        throw error;
      },
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
    model: ResNet,
    given: Dataset | LabelledImages,
    conditions: RunConditions,
    settings: RunSettings | null,
    directory: RunDirectory | null,
  ): Promise<TrainingResult> {
    const held: { dispose(): void }[] = [];
    let cache: RunCache | null = null;
    try {
      this.#gate.throwIfAborted();
      // Before what takes long: where nothing can be written, or another run writes, it would be in vain.
      await refuseOutputIn(given, directory, conditions);
      await directory?.claim(conditions);
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
  model: ResNet,
  { signal }: RunConditions,
  settings: RunSettings | null,
): Promise<Dataset> {
  return collectDataset(images, {
    ...(model.classesAreNamed ? { classes: model.classes } : {}),
    ...(signal === undefined ? {} : { signal }),
    skipCorrupt: settings?.skipCorrupt ?? true,
  });
}

async function refuseOutputIn(
  data: Dataset | LabelledImages,
  directory: RunDirectory | null,
  { resume }: RunConditions,
): Promise<void> {
  if (directory === null || resume || !(data instanceof Dataset) || !data.isFolder) return;
  await refuseOutputInside(data.path, directory.path);
}
