import type { BestMetric } from '../metrics/best.js';
import type { Metrics } from '../metrics/registry.js';
import type { UnitName } from '../model/architecture.js';
import type { PrecisionName } from '../model/precision.js';
import type { Note } from '../notes.js';
import type { LossScale } from './loss-scale.js';

/**
 * What a run tells, in order: `start`, then for each epoch its `step`s, an `epoch` and its `checkpoint`s, and last a
 * `result`; or, instead of that, `aborted` or `error`. `skipped`, `cache` and `note` may come anywhere after `start`. Every event is plain
 * data: `events.jsonl` of a run directory holds each as one line of JSON.
 *
 * Epochs and steps are counted from 1. The loader's `epoch`, which addresses randomness, is counted from 0:
 * `dataset.batches({ epoch: 0, … })` gives what epoch 1 trains on.
 */
export type TrainingEvent =
  | StartEvent
  | StepEvent
  | EpochEvent
  | CheckpointEvent
  | CacheEvent
  | SkippedEvent
  | NoteEvent
  | AbortedEvent
  | ErrorEvent
  | ResultEvent;

/** The first event: what the run will do, with every default resolved. */
export interface StartEvent {
  readonly type: 'start';
  readonly strategy: string;
  readonly classes: readonly string[];
  readonly images: { readonly train: number; readonly val: number };
  /** What was met before the run and changes what its result means: of the data set, of the weights, of the run directory. */
  readonly notes: readonly Note[];
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Optimizer steps of the whole run. */
  readonly steps: number;
  readonly batchSize: number;
  readonly imageSize: number;
  readonly resize: number;
  readonly seed: number;
  readonly device: string;
  /** The arithmetic that `precision` came to; `fp64` for a model of that dtype. */
  readonly precision: PrecisionName;
  /** Of losses in fp16; null in another precision. */
  readonly lossScale: LossScale | null;
  /** What the best epoch is chosen by. */
  readonly bestMetric: BestMetric;
  /** Epochs in a row without a better one that end the run, where that was asked for. */
  readonly patience?: number;
  readonly optimizer: string;
  /** Numbers in the model's parameters, and how many of them train. */
  readonly parameters: number;
  readonly trainable: number;
  /** Units from the input that have nothing trainable and BatchNorm in evaluation mode. */
  readonly frozenPrefixUnits: number;
  readonly groups: readonly {
    readonly name: string;
    /** The rate that the schedule's factor is applied to. */
    readonly lr: number;
    readonly weightDecay: number;
    /** Numbers in the group's parameters. */
    readonly parameters: number;
  }[];
  /** The feature cache that the run has, or null. Sizes are estimates of what it comes to. */
  readonly cache: {
    readonly mode: 'memory' | 'disk';
    /** Of each training image; validation images have one. */
    readonly views: number;
    readonly entries: number;
    readonly bytes: number;
    /** Entries that earlier runs left there. */
    readonly found: number;
    /** The directory of its files; null in memory. */
    readonly path: string | null;
  } | null;
  /** What was decided about the cache, and why, in words. */
  readonly cacheNote: string;
  /** With `cacheImages`, what may stay in memory; else null. */
  readonly imageCache: ImageCachePlan | null;
  /** The run directory, absolute, or null when nothing is written. */
  readonly out: string | null;
  /** Steps already made, when a run is continued; else null. */
  readonly resumedAt: { readonly epoch: number; readonly step: number } | null;
}

/** How many decoded images a run keeps in memory. */
export interface ImageCachePlan {
  /** Images of both splits of which all that is decoded fits. */
  readonly images: number;
  /** The most that their pictures take. */
  readonly bytes: number;
  /** A quarter of the memory that was available. */
  readonly limit: number;
}

/** One optimizer step. Steps are the only events that are dropped when nobody reads them; `events.jsonl` has them all. */
export interface StepEvent {
  readonly type: 'step';
  readonly epoch: number;
  /** Since the run began, from 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  /** The run's loss of the batch, as it is made small; 0 for an empty one. */
  readonly loss: number;
  /** Share of the batch that was predicted rightly, in training mode; 0 for an empty one. */
  readonly accuracy: number;
  /** Images in the batch; 0 where all its files were left out, and then no step was made. */
  readonly images: number;
  /** The rate of each group in this step, by name. */
  readonly lr: Readonly<Record<string, number>>;
  /** Over the chunk of steps that this one was in. */
  readonly imagesPerSecond: number;
}

/** The end of an epoch, evaluation included. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  /** Steps made since the run began. */
  readonly step: number;
  /** Over the epoch's batches as they were trained on: augmented, in training mode, with weights that changed meanwhile. */
  readonly train: {
    /** The run's own loss. */
    readonly loss: number;
    readonly top1: number;
    readonly images: number;
  };
  /**
   * Over the whole validation split after the epoch: what is always told, and what the best epoch is chosen by. The loss is
   * cross-entropy without smoothing or weights, whatever is trained.
   */
  readonly val: Metrics;
  /** ‖w − w₀‖ / ‖w₀‖ of the trainable parameters of each unit since training began. */
  readonly drift: Readonly<Record<UnitName, number>>;
  /** Whether no epoch before was better. */
  readonly best: boolean;
  /** Of the feature cache, in training and evaluation; null without one. */
  readonly cache: CacheFigures | null;
  readonly seconds: {
    /** Of training and of evaluating. */
    readonly train: number;
    readonly val: number;
    /** Of those of training, the ones in which nothing was computed, since images were not decoded yet. */
    readonly waiting: number;
  };
  /** In training. */
  readonly imagesPerSecond: number;
}

/** What a feature cache did in an epoch, and what it has after it. */
export interface CacheFigures {
  /** Images whose features were there, and those whose features had to be computed. */
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
  /** Entries that were cut short or changed on disk, and are computed again. */
  readonly damaged: number;
}

/** The feature cache takes nothing more, since memory or the disk is full; the run goes on with what it has. Once. */
export interface CacheEvent {
  readonly type: 'cache';
  readonly epoch: number;
  readonly step: number;
  readonly message: string;
}

/** A checkpoint that lies on the disk by now. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  /** `last` comes with the state that a continued run needs. */
  readonly kind: 'best' | 'last';
  readonly epoch: number;
  readonly step: number;
  readonly path: string;
}

/** A file that was left out, since it could not be read; once a file. */
export interface SkippedEvent {
  readonly type: 'skipped';
  readonly split: string;
  readonly path: string;
  readonly message: string;
}

/**
 * What was met in training, and changes how the run goes on or what it comes to: `step-not-recorded`, once, where a step
 * could not be recorded for `cudaGraph`, and steps are made without; `steps-overflowed`, where more than half of an
 * epoch's steps changed nothing, since gradients overflowed in fp16.
 */
export interface NoteEvent extends Note {
  readonly type: 'note';
  readonly epoch: number;
  readonly step: number;
}

/** The run was stopped by its signal; its last state is in the run directory, where there is one. */
export interface AbortedEvent {
  readonly type: 'aborted';
  readonly epoch: number;
  readonly step: number;
  readonly checkpoint: string | null;
}

/** The last event of a run that failed. */
export interface ErrorEvent {
  readonly type: 'error';
  /** One of `ERROR_CODES`; `ERR_CALLBACK` for what `onEpoch` threw, where that is no error of this package. */
  readonly code: string;
  readonly message: string;
  readonly epoch: number;
  readonly step: number;
}

/**
 * The best epoch by `bestMetric`, top-1 where it was not given; among equals that with the lowest loss, then the first. In a run that an earlier version
 * began, an epoch has the figures of that version.
 */
export interface BestEpoch extends Pick<Metrics, 'loss' | 'top1'>, Partial<Omit<Metrics, 'images' | 'loss' | 'top1'>> {
  readonly epoch: number;
}

/** The last event of a run that went through. */
export interface ResultEvent {
  readonly type: 'result';
  readonly best: BestEpoch;
  readonly last: BestEpoch;
  readonly epochs: number;
  readonly steps: number;
  /** Files left out, those included that were left out when the data set was opened. */
  readonly skipped: number;
  /** Of the whole run, evaluation and writing included; of its last part, when it was continued. */
  readonly seconds: number;
  /** In training, over the whole run. */
  readonly imagesPerSecond: number;
  /** The run directory, absolute, or null when nothing was written. */
  readonly out: string | null;
  /** Whether a callback, or `patience`, ended the run before its last epoch. */
  readonly stopped: boolean;
  /** Where the best epoch's weights are, or null when nothing was written. */
  readonly checkpoint: string | null;
}

/** What `run.result` resolves to. */
export type TrainingResult = ResultEvent;
