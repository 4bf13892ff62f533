import type { ErrorCode } from '../errors.js';
import type { UnitName } from '../model/units.js';

/** What a run says as it goes: each is one line of `events.jsonl`, and one JSON object of `train --json`. */
export type TrainingEvent =
  | StartEvent
  | StepEvent
  | EvaluationEvent
  | EpochEvent
  | CheckpointEvent
  | SkippedEvent
  | AbortedEvent
  | ErrorEvent
  | ResultEvent;

export type TrainingEventType = TrainingEvent['type'];

/** First, once, after everything that can be checked beforehand. */
export interface StartEvent {
  readonly type: 'start';
  /** The run directory, or null where none is written. */
  readonly out: string | null;
  readonly classes: readonly string[];
  readonly images: { readonly train: number; readonly val: number };
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  readonly imageSize: number;
  readonly resize: number;
  readonly strategy: string;
  readonly weights: string;
  readonly optimizer: string;
  readonly schedule: string;
  readonly augment: string;
  readonly precision: 'bf16' | 'fp32' | 'fp64';
  readonly device: string;
  /** Threads that decode images. */
  readonly workers: number;
  readonly parameters: number;
  readonly trainable: number;
  /** Units from the input that do not train. */
  readonly frozenPrefixUnits: number;
  readonly groups: readonly {
    readonly name: string;
    readonly parameters: number;
    readonly lr: number;
    readonly weightDecay: number;
  }[];
  /** Where a resumed run goes on; both count from 1. */
  readonly resumed: { readonly epoch: number; readonly step: number } | null;
}

/** A step of the optimizer. */
export interface StepEvent {
  readonly type: 'step';
  /** Epochs and steps count from 1. */
  readonly epoch: number;
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  /** Mean loss of the batch, before the step. */
  readonly loss: number;
  readonly images: number;
  /** Share of the batch that was predicted right, in training mode. */
  readonly accuracy: number;
  /** The rate of each group. */
  readonly rates: readonly number[];
  /** Over the chunk of steps that this one belongs to. */
  readonly imagesPerSecond: number;
  /** Share of that time in which training waited for images. */
  readonly waiting: number;
}

/** Progress of an evaluation. */
export interface EvaluationEvent {
  readonly type: 'evaluation';
  readonly epoch: number;
  readonly images: number;
  readonly total: number;
}

export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  /** Means over the epoch's images, in training mode, while the weights moved. */
  readonly train: { readonly loss: number; readonly top1: number; readonly images: number };
  readonly val: EvaluationFigures;
  /** ‖w − w₀‖ / ‖w₀‖ by unit since training began: what is being forgotten shows here first. */
  readonly drift: Readonly<Record<UnitName, number>>;
  /** Seconds of training and of evaluation. */
  readonly seconds: number;
  readonly evaluationSeconds: number;
  readonly imagesPerSecond: number;
  /** Whether this is the best epoch so far. */
  readonly best: boolean;
}

export interface EvaluationFigures {
  /** Shares of the images, 0 to 1. */
  readonly top1: number;
  /** Where there are more than five classes. */
  readonly top5?: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly images: number;
}

export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly kind: 'best' | 'last';
  readonly epoch: number;
  readonly path: string;
}

/** An image that could not be read and was left out. */
export interface SkippedEvent {
  readonly type: 'skipped';
  readonly epoch: number;
  readonly path: string;
  readonly message: string;
}

/** Last, where the run was stopped by its signal; the last checkpoint is written by then. */
export interface AbortedEvent {
  readonly type: 'aborted';
  /** The epoch that was under way, and the steps made in it. */
  readonly epoch: number;
  readonly step: number;
}

/** Last, where the run failed. */
export interface ErrorEvent {
  readonly type: 'error';
  readonly code: ErrorCode | 'ERR_UNKNOWN';
  readonly message: string;
}

/** Last, where the run came to its end. */
export interface ResultEvent {
  readonly type: 'result';
  readonly best: BestEpoch;
  readonly epochs: number;
  /** Of the whole run, a resumed one's earlier part not included. */
  readonly seconds: number;
  readonly out: string | null;
  /** Images that were left out, each counted once. */
  readonly skipped: number;
}

export interface BestEpoch {
  readonly epoch: number;
  readonly top1: number;
  readonly top5?: number;
  readonly loss: number;
}

/** What `TrainingRun.result` resolves to. */
export type TrainingResult = Omit<ResultEvent, 'type'> & {
  readonly history: readonly EpochEvent[];
};
