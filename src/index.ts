/**
 * Fine-tune a ResNet-50 from Node.js. Importing this loads no native code: the addon and libtorch are loaded at the
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
export type { Augmentation } from './data/transforms.js';
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
export type { BestMetric } from './metrics/best.js';
export type { ConfusionMatrix } from './metrics/confusion.js';
export type { ClassResult } from './metrics/per-class.js';
export type { MetricName, Metrics } from './metrics/registry.js';
export type { Device } from './model/device.js';
export type { BatchNormPolicy, FreezePlan, FreezeRule } from './model/freeze.js';
export type { HeadOptions } from './model/head.js';
export type { HeadShape } from './model/head-shape.js';
export type { Precision, PrecisionName } from './model/precision.js';
export {
  type CallOptions,
  type CreateOptions,
  type LoadOptions,
  type Metadata,
  ResNet50,
  type Shape4D,
  type Tensor2D,
} from './model/resnet50.js';
export {
  type ParameterInfo,
  STAGE_NAMES,
  type StageName,
  UNIT_NAMES,
  type UnitInfo,
  type UnitName,
} from './model/units.js';
export type { Preprocessing, TransformMetadata, WeightsSource } from './model/weights/index.js';
export type { ImageFailure } from './native/contract/data.js';
export type { NativeDevice } from './native/contract/device.js';
export type { Floats, ModelDtype } from './native/contract/model.js';
export type { NativeOptimizer } from './native/contract/session.js';
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
export { type AdamOptions, type OptimizerSpec, optimizers, type SgdOptions } from './optim/optimizers.js';
export type { PolynomialOptions } from './optim/schedules/polynomial.js';
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
