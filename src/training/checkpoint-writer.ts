import type { ResNet } from '../model/network.js';
import type { NativeFileToSave, NativeSession } from '../native/contract/session.js';
import { CheckpointPace, progressMetadata } from './checkpoint.js';
import type { BestEpoch, CheckpointEvent } from './events.js';
import type { Progress } from './progress.js';
import type { RunDirectory } from './run-directory.js';

/** What the checkpoints of a run are made of, and where they go. */
export interface CheckpointSources {
  readonly directory: Pick<RunDirectory, 'best' | 'last' | 'next' | 'promote'>;
  readonly model: Pick<ResNet, 'checkpointMetadata'>;
  readonly session: Pick<NativeSession, 'keepWeights' | 'save'>;
}

/** The best epoch so far where it is not on disk yet. */
interface Unwritten {
  readonly best: BestEpoch;
  readonly step: number;
  /**
   * Where its weights are: the model's own, or kept apart in memory; `gone` where the model has moved on and they are
   * nowhere but in what is being written.
   */
  weights: 'model' | 'kept' | 'gone';
}

/**
 * Writes the checkpoints of a run beside its training: what they hold is taken when writing begins, and the disk works while
 * the next epoch trains.
 */
export class CheckpointWriter {
  readonly #at: CheckpointSources;
  readonly #pace = new CheckpointPace();
  #unwritten: Unwritten | null = null;
  #writing: Promise<void> | null = null;
  #failure: { readonly cause: unknown } | null = null;
  #news: CheckpointEvent[] = [];

  constructor(at: CheckpointSources) {
    this.#at = at;
  }

  /** Whether a checkpoint should be written at the end of this epoch: not while an earlier one is on its way. */
  get due(): boolean {
    return this.#writing === null && this.#pace.due;
  }

  /** Says that the model is the best so far. */
  found(best: BestEpoch, step: number): void {
    this.#unwritten = { best, step, weights: 'model' };
  }

  /** Copies the best weights, which are to be written later, before they move on. */
  async keep(): Promise<void> {
    if (this.#unwritten?.weights !== 'model') return;
    await this.#at.session.keepWeights();
    this.#unwritten.weights = 'kept';
  }

  /** Says that the model is about to move on. What is being written was taken from it before. */
  moving(): void {
    if (this.#unwritten?.weights === 'model') this.#unwritten.weights = 'gone';
  }

  /** Waits for what is being written, then begins to write the best weights, if they are not on disk, and the last ones. */
  async begin(progress: Progress): Promise<void> {
    await this.settle();
    const { directory, model, session } = this.#at;
    const position = progressMetadata(progress);
    const files: NativeFileToSave[] = [
      { path: directory.next.weights, holds: 'model', metadata: model.checkpointMetadata({ extra: position.weights }) },
      { path: directory.next.state, holds: 'state', metadata: position.state },
    ];
    const epoch = progress.batch === 0 ? progress.epoch : progress.epoch + 1;
    this.#write(async () => {
      // Asked for apart: where there is room for the best weights alone, they are written.
      const saved = await Promise.allSettled([this.#saveUnwritten(), session.save(files)]);
      for (const result of saved) if (result.status === 'rejected') throw result.reason;
      await directory.promote();
      const { weights: path } = directory.last;
      this.#news.push({ type: 'checkpoint', kind: 'last', epoch, step: progress.step, path });
    });
  }

  /** Writes the best weights alone, if they are not on disk and there still are any. */
  async saveBest(): Promise<void> {
    await this.settle().catch(() => undefined);
    await this.#saveUnwritten();
  }

  /** Waits until all is on disk. Rejects where that failed, once. */
  async settle(): Promise<void> {
    await this.#writing;
    this.#throwFailure();
  }

  /** Checkpoints that are complete and were not told of. Throws where one could not be written. */
  news(): readonly CheckpointEvent[] {
    this.#throwFailure();
    return this.#news.splice(0);
  }

  async #saveUnwritten(): Promise<void> {
    const unwritten = this.#unwritten;
    if (unwritten === null || unwritten.weights === 'gone') return;
    const { best, step, weights } = unwritten;
    const { directory, model, session } = this.#at;
    const path = directory.best;
    const metadata = model.checkpointMetadata({ extra: { best: JSON.stringify(best) } });
    await session.save([{ path, holds: weights, metadata }]);
    // Not before: what failed may be tried again. Another epoch may be the best one by now.
    if (this.#unwritten === unwritten) this.#unwritten = null;
    this.#news.push({ type: 'checkpoint', kind: 'best', epoch: best.epoch, step, path });
  }

  #write(body: () => Promise<void>): void {
    this.#writing = this.#pace
      .write(body)
      .catch((cause: unknown) => {
        this.#failure = { cause };
      })
      .finally(() => {
        this.#writing = null;
      });
  }

  #throwFailure(): void {
    if (this.#failure === null) return;
    const { cause } = this.#failure;
    this.#failure = null;
    throw cause;
  }
}
