import type { Augmentation, AugmentationSpec } from '../data/transforms/augmentation.js';
import type { ClassWeights } from '../losses/class-weights.js';
import type { LossName, LossSpec } from '../losses/registry.js';
import type { BestMetric } from '../metrics/best.js';
import type { BatchNormPolicy, FreezeRule } from '../model/freeze.js';
import type { Precision } from '../model/precision.js';
import type { GroupSpec, ParameterGroup } from '../optim/groups.js';
import type { OptimizerKind, OptimizerSpec } from '../optim/optimizers.js';
import type { Schedule, ScheduleKind, ScheduleSpec } from '../optim/schedules.js';
import type { OnEpoch } from './epoch-control.js';
import type { CacheMode } from './feature-cache.js';
import type { LossScale } from './loss-scale.js';
import type { Strategy, StrategyName } from './strategies.js';

/** Parts of a strategy that options replace one by one. */
export interface StrategyOverrides {
  /** What stands still. Default: what `model.freeze()` was told, else the strategy's. */
  readonly freeze?: FreezeRule;
  /** Default: what `model.freeze()` was told, else the strategy's. */
  readonly batchNorm?: BatchNormPolicy;
  /** Parameter groups as plain data, or the groups themselves, which must hold every trainable parameter once. */
  readonly groups?: GroupSpec | readonly ParameterGroup[];
  /** Rate of the last tier, or of all; other tiers keep their ratio to it. Above 0. */
  readonly lr?: number;
  /** Rate of the head. Above 0. */
  readonly headLr?: number;
  /** Rates by share of the backbone's convolutions; shares rise and end with 1. */
  readonly lrTiers?: readonly { readonly until: number; readonly lr: number }[];
  /** A rate for every unit: this factor, above 0 and at most 1, times the next unit's. */
  readonly layerDecay?: number;
  /** Weight decay of every group, 0 or more. */
  readonly weightDecay?: number;
  /** `false` leaves BatchNorm and biases without weight decay. */
  readonly decayNormBias?: boolean;
  /** A name stands for that optimizer with its defaults. */
  readonly optimizer?: OptimizerKind | OptimizerSpec;
  /**
   * Settings of the optimizer by the names that plain data has for them, such as `{ momentum: 0.8 }` or `{ beta2: 0.99 }`, in
   * the place of its defaults or of the strategy's.
   */
  readonly optimizerOptions?: Readonly<Record<string, number | boolean>>;
  /** A name, plain data, or a function `(step, total) => factor` of the step (from 0) on every group's rate. */
  readonly schedule?: ScheduleKind | ScheduleSpec | Schedule;
  /** Epochs, or a part of one, over which rates rise from nothing. */
  readonly warmupEpochs?: number;
  /** Exponent of the schedule `polynomial`, above 0. Default 1. */
  readonly schedulePower?: number;
  /** What the schedule falls to at the end, as a share of the whole rate, 0 to 1; of `cosine`, `linear`, `polynomial`, `cosine-restarts`. */
  readonly lrFloor?: number;
  /** How often the schedule `cosine-restarts` falls, 1 or more; default 2. */
  readonly scheduleCycles?: number;
  /** Epochs between two falls, above 0, of `step` (default: a third of the run) and `exponential` (default 1). */
  readonly scheduleEvery?: number;
  /** Epochs after which the schedule `multi-step` falls, each above 0. */
  readonly scheduleMilestones?: readonly number[];
  /** What `step`, `multi-step` (default 0.1) and `exponential` (default 0.95) multiply rates by, above 0 and at most 1. */
  readonly scheduleGamma?: number;
  /** How training images are varied: a policy, or one with more. */
  readonly augment?: Augmentation;
  /** Of `augment`: share of the picture's area that a random crop takes, above 0 and at most 1. Default [0.08, 1]. */
  readonly cropScale?: NonNullable<AugmentationSpec['cropScale']>;
  /** Of `augment`: width ÷ height of a random crop, above 0. Default [3/4, 4/3]. */
  readonly cropRatio?: NonNullable<AugmentationSpec['cropRatio']>;
  /** Of `augment`: probability of mirroring top to bottom. */
  readonly verticalFlip?: number;
  /** Of `augment`: how much brightness, contrast and saturation vary, or each of them, and the hue. */
  readonly colorJitter?: NonNullable<AugmentationSpec['colorJitter']>;
  /** Of `augment`: probability that a view loses its colours. */
  readonly grayscale?: number;
  /** Of `augment`: probability that a box of a view is erased, or that with the box's size and shape. */
  readonly randomErasing?: NonNullable<AugmentationSpec['randomErasing']>;
}

export interface TrainOptions extends StrategyOverrides {
  /** Default `differential`. The head is the model's own, whatever the strategy would make. */
  readonly strategy?: StrategyName | Strategy;
  /** Default 10. */
  readonly epochs?: number;
  /** Images a step. Default 32. */
  readonly batchSize?: number;
  /** Side of the square that the network sees, pixels, 32 or more. Default 224. */
  readonly imageSize?: number;
  /** Short side before the centre crop, pixels. Default: as the weights' own, else 256/224 of the image size. */
  readonly resize?: number;
  /** Addresses every random choice of the run. Default 0. */
  readonly seed?: number;
  /** Threads that read and decode images. Default: one a core, or half of them with a GPU, at most 12. Results do not depend on it. */
  readonly workers?: number;
  /**
   * Keep decoded images in memory from the first epoch on, as many as fit in a quarter of the memory that is available
   * when training begins. Changes no result. Default false.
   */
  readonly cacheImages?: boolean;
  /** Default `auto`. */
  readonly precision?: Precision;
  /** For `fp16`: a fixed factor of the loss, above 0 and at most 2²⁴, or `dynamic`, the default. */
  readonly lossScale?: LossScale;
  /**
   * On a CUDA device: record a step as a CUDA graph and replay it, which spares the host its part. Changes no result.
   * Default false.
   */
  readonly cudaGraph?: boolean;
  /**
   * Where outputs of the units that are frozen from the input on are kept, so that later epochs begin behind them. They
   * are the same as if they were computed again. Default `auto`: in memory where there is plenty, else on disk where
   * there is plenty, else off.
   */
  readonly cache?: CacheMode;
  /**
   * Views of each training image: epoch e has the augmentation of epoch e modulo this, 1 or more. Without it every epoch
   * has views of its own, which the augmentation `standard` leaves nothing to cache of. With as many as there are epochs
   * the result is that without it.
   */
  readonly cacheViews?: number;
  /**
   * What the best epoch, whose weights are kept, is chosen by: a figure of the validation images, such as `loss`, `f1-macro`, `roc-auc`
   * or `top3`. Default `top1`. A top-k needs more than k classes, those that set each class against the rest images of every class.
   */
  readonly bestMetric?: BestMetric;
  /**
   * Ends the run, with a result, once so many epochs in a row were not better than the best one by `bestMetric`, and gives
   * the model the best epoch's weights; 1 or more. Default: all epochs are trained, and the model ends with the last one's weights.
   */
  readonly patience?: number;
  /**
   * What training makes small: a name, or plain data such as `{ name: 'focal', gamma: 1.5 }`. Default `cross-entropy`. Figures of
   * validation images are cross-entropy without smoothing or weights whatever it is, so that runs can be compared.
   */
  readonly loss?: LossName | LossSpec;
  /** Share of each label that `cross-entropy` spreads evenly over all classes, 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
  /** How much less `focal` counts an image that is classified well, 0 or more. Default 2. */
  readonly focalGamma?: number;
  /** How much each class counts in the loss. Default: all alike. */
  readonly classWeights?: ClassWeights;
  /**
   * The most that the norm of all gradients together may be in a step, above 0: larger ones are scaled down to it, as by
   * `torch.nn.utils.clip_grad_norm_`; 1 is usual. Default: any.
   */
  readonly clipNorm?: number;
  /** The run directory. Without it nothing is written, and the model ends with the last epoch's weights all the same. */
  readonly out?: string;
  /** Replace the run that is in `out`; other files there are left alone. Default false. */
  readonly overwrite?: boolean;
  /** Leave out files that cannot be decoded, and list them, instead of stopping. Default false. */
  readonly skipCorrupt?: boolean;
  /**
   * Continue the run in `out` from its last checkpoint, to the weights that it would have ended with. All settings are
   * that run's own: beside `out`, only `workers`, `cacheImages`, `cudaGraph`, `onEpoch` and `signal` may be given, and `schedule` where it was a function.
   */
  readonly resume?: boolean;
  /**
   * Called between epochs, with the event of the one that ended: it may change the rates or end the run, and training
   * goes on when it is done. A throw in it fails the run.
   */
  readonly onEpoch?: OnEpoch;
  /** Stops after the step that runs: the last checkpoint is written, and the run rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
