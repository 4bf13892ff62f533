import { type BestMetric, DEFAULT_BEST_METRIC } from '../metrics/best.js';
import type { Note } from '../notes.js';
import type { EpochEvent, StepEvent, TrainingEvent } from '../training/events.js';

/** The bar of a run: the epoch, steps done and in all, and what stands behind them. */
export interface TrainingBar {
  readonly task: string;
  readonly done: number;
  readonly total: number;
  readonly detail: string;
  /** Whether it is to be drawn at once: it will stand for long. */
  readonly must: boolean;
}

/** What is known of a run from the events so far. */
export interface TrainingView {
  readonly stepsPerEpoch: number;
  /** In the first epoch with a cache. */
  readonly fills: boolean;
  /** What the best epoch is chosen by. */
  readonly bestMetric: BestMetric;
  /** Epochs in a row without a better one that end the run. */
  readonly patience: number | undefined;
  /** Of the last epoch. */
  readonly drift: EpochEvent['drift'] | null;
  /** Of the beginning and on the way, which may be far off the screen by the end. */
  readonly notes: readonly Note[];
  /** Null between epochs. */
  readonly bar: TrainingBar | null;
}

/** Before the first event. */
export const UNSEEN: TrainingView = {
  stepsPerEpoch: 0,
  fills: false,
  bestMetric: DEFAULT_BEST_METRIC,
  patience: undefined,
  drift: null,
  notes: [],
  bar: null,
};

/** What is known after a further event. The bar and the lines show this and the event, and hold nothing of their own. */
export function follow(view: TrainingView, event: TrainingEvent): TrainingView {
  switch (event.type) {
    case 'start': {
      const { stepsPerEpoch, notes, cache, bestMetric, patience } = event;
      return {
        ...view,
        stepsPerEpoch,
        notes,
        bestMetric,
        patience,
        fills: cache !== null && cache.found < cache.entries,
      };
    }
    case 'step':
      return { ...view, bar: barOf(event, view) };
    case 'epoch':
      return { ...view, drift: event.drift, fills: false, bar: null };
    case 'cache':
      return { ...view, fills: false };
    case 'note':
      return { ...view, notes: [...view.notes, { code: event.code, message: event.message }] };
    case 'aborted':
    case 'result':
      return { ...view, bar: null };
    case 'skipped':
    case 'checkpoint':
    case 'error':
      return view;
  }
}

function barOf(event: StepEvent, { stepsPerEpoch, fills }: TrainingView): TrainingBar {
  const { epoch, step, steps, loss, imagesPerSecond } = event;
  // The last step of an epoch is followed by the evaluation, which has no events of its own.
  const validates = step % stepsPerEpoch === 0;
  const parts = [`loss ${loss.toFixed(4)}`, `${imagesPerSecond.toFixed(1)} img/s`];
  if (fills) parts.push('filling the cache');
  if (validates) parts.push('validating');
  return { task: `epoch ${epoch}`, done: step, total: steps, detail: parts.join('  '), must: validates };
}
