import { stat } from 'node:fs/promises';
import { ResnetTorchError } from '../errors.js';
import type { ResNet } from '../model/network.js';
import { openTensors, type TensorTable } from '../model/weights/index.js';
import type { NativeSession } from '../native/contract/session.js';
import { BEGINNING, type Progress } from './progress.js';
import type { RunDirectory } from './run-directory.js';

const PROGRESS_KEY = 'progress';
const TIMES_KEY = 'times';

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

/** Of a progress, what differs between runs that are equal otherwise. */
interface Times {
  readonly sums: Pick<Progress['sums'], 'ms' | 'waitMs'>;
  readonly trained: Pick<Progress['trained'], 'ms'>;
}

/**
 * What the files of the last checkpoint say of where the run was. Times are in that of the state alone, so that equal runs
 * give equal files of weights.
 */
export function progressMetadata(progress: Progress): {
  readonly weights: Readonly<Record<string, string>>;
  readonly state: Readonly<Record<string, string>>;
} {
  const { ms, waitMs, ...sums } = progress.sums;
  const { ms: trainedMs, ...trained } = progress.trained;
  const times: Times = { sums: { ms, waitMs }, trained: { ms: trainedMs } };
  const weights = { [PROGRESS_KEY]: JSON.stringify({ ...progress, sums, trained }) };
  return { weights, state: { ...weights, [TIMES_KEY]: JSON.stringify(times) } };
}

function readProgress({ metadata }: TensorTable): Progress {
  const position = JSON.parse(metadata[PROGRESS_KEY] ?? '{}') as Progress;
  const times = JSON.parse(metadata[TIMES_KEY] ?? '{}') as Partial<Times>;
  // A run of an earlier version had nothing that could change it, did not count what it waited, and had its times in the
  // position.
  return {
    ...BEGINNING,
    ...position,
    sums: { ...BEGINNING.sums, ...position.sums, ...times.sums },
    trained: { ...BEGINNING.trained, ...position.trained, ...times.trained },
  };
}

/**
 * Finds the last checkpoint of a run that was stopped or killed, and where its run was. A checkpoint that was whole but had
 * not taken the place of the one before takes it now.
 *
 * @throws ERR_CHECKPOINT when there is none, or its files do not belong together
 */
export async function openLast(directory: RunDirectory): Promise<{
  readonly progress: Progress;
  readonly load: (model: ResNet, session: NativeSession) => Promise<void>;
}> {
  await finishPromotion(directory);
  const weights = await openIfThere(directory.last.weights);
  if (weights === null) throw await nothingSaved(directory);
  const state = await openIfThere(directory.last.state);
  if (state === null || !belongTogether(weights, state)) {
    throw new ResnetTorchError(
      'ERR_CHECKPOINT',
      `${directory.last.weights} and ${directory.last.state} do not belong together: one of them was changed or is missing.`,
    );
  }
  return {
    progress: readProgress(state),
    load: async (model, session) => {
      await model.handle.load(weights.path, [...weights.tensors.values()]);
      await session.loadState(state.path, [...state.tensors.values()]);
    },
  };
}

/** Each of the files is whole or not there; what a crash leaves undone is one of two renames, or both. */
async function finishPromotion(directory: RunDirectory): Promise<void> {
  const state = await openIfThere(directory.next.state);
  if (state === null) return;
  const [weights, last] = [await openIfThere(directory.next.weights), await openIfThere(directory.last.weights)];
  if (weights !== null && belongTogether(weights, state)) await directory.promote();
  else if (last !== null && belongTogether(last, state)) await directory.promoteState();
}

function belongTogether(weights: TensorTable, state: TensorTable): boolean {
  const position = weights.metadata[PROGRESS_KEY];
  return position !== undefined && state.metadata[PROGRESS_KEY] === position;
}

async function nothingSaved({ path, best }: RunDirectory): Promise<ResnetTorchError> {
  const hasBest = (await stat(best).catch(() => undefined)) !== undefined;
  const kept = hasBest
    ? ` The weights of its best epoch are in ${best}, and a run may begin with them (--weights).`
    : '';
  return new ResnetTorchError(
    'ERR_CHECKPOINT',
    `The run in ${path} ended before its first checkpoint was written, so there is nothing to continue from. Begin it ` +
      `again with the options that it had, and with --overwrite (overwrite: true) instead of --resume.${kept}`,
  );
}

async function openIfThere(path: string): Promise<TensorTable | null> {
  if ((await stat(path).catch(() => undefined)) === undefined) return null;
  return openTensors(path);
}
