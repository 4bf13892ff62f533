/**
 * Fine-tune a ResNet from Node.js. Importing this loads no native code: the addon and libtorch are loaded at the
 * first call that needs them.
 *
 * @module resnet-torch
 */

export type { Bytes } from './bytes.js';
export type { BatchOf } from './data/batches.js';
export { type CollectOptions, collectDataset, type LabelledImage, type LabelledImages } from './data/collect.js';
export {
  type Batch,
  type BatchOptions,
  type CorruptFile,
  Dataset,
  type DatasetOptions,
  type Fold,
  type IgnoredFile,
  type LabelledFile,
  type NormalisedBatch,
  openDataset,
  type PixelBatch,
  type Skipped,
  type Split,
  type SplitName,
} from './data/dataset.js';
export type { ImageInput, RawImage } from './data/image-input.js';
export { pathBytes, pathFromBytes } from './data/path-bytes.js';
export type { Pullable } from './data/pull.js';
export type { Augmentation, AugmentationSpec } from './data/transforms/augmentation.js';
export type { ColorJitter } from './data/transforms/color-jitter.js';
export type { AugmentationPolicy } from './data/transforms/policies.js';
export type { RandomErasing } from './data/transforms/random-erasing.js';
export { ERROR_CODES, type ErrorCode, ResnetTorchError } from './errors.js';
export {
  EXPORT_FORMATS,
  type ExportFormat,
  type ExportOptions,
  type ExportResult,
  exportModel,
  type OnnxExport,
  type OnnxOptions,
  type WeightsExport,
} from './export/export.js';
export { type EvaluateOptions, type EvaluationResult, evaluate } from './inference/evaluate.js';
export type {
  FailedPrediction,
  Prediction,
  PredictionOf,
  PredictionWithFeatures,
  StreamedPrediction,
} from './inference/prediction.js';
export { Predictor, type PredictorQueue } from './inference/predictor.js';
export type { PredictOptions, PredictorInput, PredictorOptions, StreamOptions } from './inference/predictor-options.js';
export type { ClassWeights } from './losses/class-weights.js';
export type { CrossEntropyOptions } from './losses/cross-entropy.js';
export type { FocalOptions } from './losses/focal.js';
export type { CommonLossOptions, LossName, LossSpec } from './losses/registry.js';
export type { BestMetric } from './metrics/best.js';
export type { ConfusionMatrix } from './metrics/confusion.js';
export type { ClassResult } from './metrics/per-class.js';
export type { MetricName, Metrics } from './metrics/registry.js';
export {
  ARCHITECTURE_NAMES,
  type ArchitectureName,
  type BlockName,
  STAGE_NAMES,
  type StageName,
  type UnitName,
} from './model/architecture.js';
export type { Metadata } from './model/checkpoint-metadata.js';
export type { CreateOptions } from './model/create.js';
export type { Device } from './model/device.js';
export type { BatchNormPolicy, FreezePlan, FreezeRule } from './model/freeze.js';
export type { HeadOptions } from './model/head.js';
export type { HeadShape } from './model/head-shape.js';
export type { LoadOptions } from './model/load.js';
export { type CallOptions, ResNet, type Shape4D, type Tensor2D } from './model/network.js';
export type { Precision, PrecisionName } from './model/precision.js';
export { ResNet50 } from './model/resnet50.js';
export { type ParameterInfo, UNIT_NAMES, type UnitInfo } from './model/units.js';
export type { Preprocessing, TransformMetadata, WeightsName, WeightsSource } from './model/weights/index.js';
export type { ImageFailure } from './native/contract/data.js';
export type { NativeDevice } from './native/contract/device.js';
export type { Floats, ModelDtype } from './native/contract/model.js';
export type { Note } from './notes.js';
export {
  type ByUnitOptions,
  type CommonGroupOptions,
  type GroupSpec,
  groups,
  type LayerDecayOptions,
  type ParameterGroup,
  type RateTier,
  type TiersOptions,
  type UniformOptions,
  type UnitRates,
} from './optim/groups.js';
export type { AdamOptions } from './optim/optimizers/adam.js';
export type { LionOptions } from './optim/optimizers/lion.js';
export type { NAdamOptions } from './optim/optimizers/nadam.js';
export type { RmspropOptions } from './optim/optimizers/rmsprop.js';
export type { SgdOptions } from './optim/optimizers/sgd.js';
export { type OptimizerKind, type OptimizerSpec, optimizers } from './optim/optimizers.js';
export type { CosineRestartsOptions } from './optim/schedules/cosine-restarts.js';
export type { ExponentialOptions } from './optim/schedules/exponential.js';
export type { MultiStepOptions } from './optim/schedules/multi-step.js';
export type { OneCycleOptions } from './optim/schedules/one-cycle.js';
export type { PolynomialOptions } from './optim/schedules/polynomial.js';
export type { StepScheduleOptions } from './optim/schedules/step.js';
export {
  type Schedule,
  type ScheduleKind,
  type ScheduleOptions,
  type ScheduleSpec,
  schedules,
  type WarmupOptions,
} from './optim/schedules.js';
export { type EpochSummary, type RunStatus, type RunSummary, readRun } from './report/read-run.js';
export type { EpochControl, GroupRate, OnEpoch } from './training/epoch-control.js';
export type {
  AbortedEvent,
  BestEpoch,
  CacheEvent,
  CacheFigures,
  CheckpointEvent,
  EpochEvent,
  ErrorEvent,
  ImageCachePlan,
  NoteEvent,
  ResultEvent,
  SkippedEvent,
  StartEvent,
  StepEvent,
  TrainingEvent,
  TrainingResult,
} from './training/events.js';
export type { CacheMode } from './training/feature-cache.js';
export type { LossScale } from './training/loss-scale.js';
export type { StrategyOverrides, TrainOptions } from './training/options.js';
export type { TrainingRun } from './training/run.js';
export {
  type LabelledBatch,
  type OwnStepOptions,
  type SessionOptions,
  type StepOptions,
  type StepResult,
  TrainingSession,
} from './training/session.js';
export { type Strategy, type StrategyName, strategies } from './training/strategies.js';
export { train } from './training/train.js';
