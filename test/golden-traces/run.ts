import { isDeepStrictEqual } from 'node:util';
import type { Dataset } from '../../src/data/dataset.js';
import type { ResNet50 } from '../../src/model/resnet50.js';
import type { EpochEvent, TrainingEvent } from '../../src/training/events.js';
import type { TrainOptions } from '../../src/training/options.js';
import { train } from '../../src/training/train.js';
import type { Place } from './place.js';
import { type Clock, recorded } from './recorder.js';
import { type Json, type Look, plain, type TraceOptions, traceDirectory, traceEvents, traceModel } from './trace.js';

export const SMALL = { epochs: 2, batchSize: 4, imageSize: 32, resize: 36, seed: 5, workers: 2 } as const;

export interface RunToTrace {
  readonly model: ResNet50;
  readonly data: Dataset;
  readonly options: TrainOptions;
  /** Aborted when so many steps are made, those of an earlier part not counted. */
  readonly abortAfter?: number;
  readonly msPerStep?: number;
  /** Hears of each epoch beside `onEpoch`, before checkpoints are thought of. */
  readonly onEpoch?: (event: EpochEvent, clock: Clock) => void;
}

/** Trains, and writes down all that can be seen of it from outside: chunks, events, files, weights. */
export async function traceRun(place: Place, how: RunToTrace, o: TraceOptions): Promise<Json> {
  const { model, data, options, abortAfter = Number.POSITIVE_INFINITY, msPerStep } = how;
  const controller = new AbortController();
  const onSteps = (steps: number): void => {
    if (steps >= abortAfter) controller.abort();
  };
  const recorder = { onSteps, ...(msPerStep === undefined ? {} : { msPerStep }) };
  return recorded(recorder, async ({ chunks, clock }) => {
    const { onEpoch } = options;
    const asked: Pick<TrainOptions, 'onEpoch'> =
      how.onEpoch === undefined && onEpoch === undefined
        ? {}
        : {
            onEpoch: (event, control) => {
              how.onEpoch?.(event, clock);
              return onEpoch?.(event, control);
            },
          };
    const run = train(model, data, { ...options, ...asked, signal: controller.signal });
    const events: TrainingEvent[] = [];
    let ended = 'with its result';
    try {
      for await (const event of run) events.push(event);
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      ended = 'aborted';
    }
    const told = traceEvents(events, place);
    const look = { ...o, units: trainedUnits(model, events) };
    return {
      ended,
      chunks: plain(chunks, place),
      told,
      files: options.out === undefined ? null : filesOf(options.out, told, place, look),
      weights: await traceModel(model, look),
    };
  });
}

/** Those behind the frozen prefix. */
function trainedUnits(model: ResNet50, events: readonly TrainingEvent[]): ReadonlySet<string> {
  const start = events.find((event) => event.type === 'start');
  const prefix = start?.type === 'start' ? start.frozenPrefixUnits : 0;
  return new Set(
    model
      .units()
      .map(({ name }) => name)
      .slice(prefix),
  );
}

/** The events are written as they are told, and stand there once. */
function filesOf(folder: string, told: Json, place: Place, look: Look): Json {
  const files = traceDirectory(folder, place, look) as Record<string, Json>;
  const written = files['events.jsonl'];
  return { ...files, 'events.jsonl': isDeepStrictEqual(written, told) ? 'as told' : (written ?? null) };
}
