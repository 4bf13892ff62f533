import { stat } from 'node:fs/promises';
import { ResnetTorchError } from '../errors.js';
import type { ResNet50 } from '../model/resnet50.js';
import { openWeights, type TensorTable } from '../model/weights/index.js';
import type { NativeSession } from '../native/binding.js';
import { type Changes, UNCHANGED } from './epoch-control.js';
import type { BestEpoch } from './events.js';
import type { RunDirectory } from './run-directory.js';

/** Where a run is: what it has made so far, and the sums of the epoch that it is in. Plain data. */
export interface Progress {
  /** Epochs that are behind the run, evaluation included. */
  readonly epoch: number;
  /** Batches of the next epoch that are trained on; all of them when only its evaluation is missing. */
  readonly batch: number;
  /** Steps since the run began. */
  readonly step: number;
  /** Of the batches trained on in this epoch. */
  readonly sums: {
    readonly images: number;
    readonly lossSum: number;
    readonly top1: number;
    readonly ms: number;
    /** Of these, waited for images. */
    readonly waitMs: number;
  };
  /** Of the epochs behind the run. */
  readonly trained: { readonly images: number; readonly ms: number };
  readonly best: BestEpoch | null;
  readonly last: BestEpoch | null;
  /** Paths of the files left out, each once. */
  readonly skipped: readonly string[];
  /** By callbacks between epochs. */
  readonly changes: Changes;
}

export const BEGINNING: Progress = {
  epoch: 0,
  batch: 0,
  step: 0,
  sums: { images: 0, lossSum: 0, top1: 0, ms: 0, waitMs: 0 },
  trained: { images: 0, ms: 0 },
  best: null,
  last: null,
  skipped: [],
  changes: UNCHANGED,
};

const PROGRESS_KEY = 'progress';

/** The share of a run's time that writing checkpoints may take. */
const WRITING_SHARE = 0.05;
/** What writing is taken to last until it was done once, seconds. */
const EXPECTED_SECONDS = 0.5;

/**
 * When the checkpoints of a run are written: at the end of an epoch, but not so often that writing takes more than a
 * twentieth of the time. Short epochs are written together; the best weights among them are kept in memory until then.
 */
export class CheckpointPace {
  #seconds = EXPECTED_SECONDS;
  #since: number;

  /** @param now a clock, milliseconds */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#since = now();
  }

  get due(): boolean {
    return (this.now() - this.#since) / 1000 >= this.#seconds / WRITING_SHARE;
  }

  /** Times what writes both checkpoints. */
  async write(body: () => Promise<void>): Promise<void> {
    const started = this.now();
    await body();
    this.#since = this.now();
    this.#seconds = (this.#since - started) / 1000;
  }
}

/** Writes the last checkpoint, in the place of the one before when both of its files are complete. */
export async function saveLast(
  directory: RunDirectory,
  model: ResNet50,
  session: NativeSession,
  progress: Progress,
): Promise<void> {
  const position = { [PROGRESS_KEY]: JSON.stringify(progress) };
  await model.save(directory.next.weights, { extra: position });
  await session.saveState(directory.next.state, position);
  await directory.promote();
}

/**
 * Reads the last checkpoint into a model and a session, and where its run was.
 *
 * @throws ERR_CHECKPOINT when there is none, or its files do not belong together
 */
export async function openLast(directory: RunDirectory): Promise<{
  readonly progress: Progress;
  readonly load: (model: ResNet50, session: NativeSession) => Promise<void>;
}> {
  if ((await stat(directory.last.weights).catch(() => undefined)) === undefined) {
    throw new ResnetTorchError(
      'ERR_CHECKPOINT',
      `There is no ${directory.last.weights}: the run ended before its first checkpoint. Begin it again with overwrite.`,
    );
  }
  const weights = await openWeights(directory.last.weights);
  let state = await openState(directory.last.state);
  if (state?.metadata[PROGRESS_KEY] !== weights.metadata[PROGRESS_KEY] && (await directory.finishPromotion())) {
    state = await openState(directory.last.state);
  }
  const text = weights.metadata[PROGRESS_KEY];
  if (state === null || text === undefined || state.metadata[PROGRESS_KEY] !== text) {
    throw new ResnetTorchError(
      'ERR_CHECKPOINT',
      `${directory.last.weights} and ${directory.last.state} do not belong together: one of them was changed or is missing.`,
    );
  }
  const { path, tensors } = state;
  const progress = JSON.parse(text) as Progress;
  return {
    // A run of an earlier version had nothing that could change it, and did not count what it waited.
    progress: { ...BEGINNING, ...progress, sums: { ...BEGINNING.sums, ...progress.sums } },
    load: async (model, session) => {
      await model.handle.load(weights.path, [...weights.tensors.values()]);
      await session.loadState(path, [...tensors.values()]);
    },
  };
}

async function openState(path: string): Promise<TensorTable | null> {
  if ((await stat(path).catch(() => undefined)) === undefined) return null;
  return openWeights(path);
}
