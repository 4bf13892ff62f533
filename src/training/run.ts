import type { TrainingEvent, TrainingResult } from './events.js';

/**
 * A training that goes on whether or not anybody reads its events. Iterating gives the events from where the last
 * reader left off; it ends after `result`, and throws what `result` rejects with.
 *
 * A failure goes to whoever awaits `result`, and to whoever iterates. Where nobody does either when the run fails, it is an
 * unhandled rejection, which ends a Node.js process that does not say otherwise.
 */
export interface TrainingRun extends AsyncIterable<TrainingEvent> {
  /** Rejects with the failure, or with the signal's reason when the run was aborted. */
  readonly result: Promise<TrainingResult>;
  /** Stops after the step that runs, until `resume()`. Nothing is lost, nothing is written. */
  pause(): void;
  /** Goes on after `pause()`. */
  resume(): void;
}
