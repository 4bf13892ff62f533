/**
 * Fine-tune a ResNet-50 from Node.js. Importing this loads no native code: the addon and libtorch are loaded at the
 * first call that needs them.
 *
 * @module resnet-torch
 */

export type { BatchOf } from './data/batches.js';
export { type CollectOptions, collectDataset, type LabelledImage, type LabelledImages } from './data/collect.js';
export {
  type Batch,
  type BatchOptions,
  type CorruptFile,
  Dataset,
  type DatasetOptions,
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
export { type ClassResult, type EvaluateOptions, type EvaluationResult, evaluate } from './inference/evaluate.js';
export {
  type Prediction,
  type PredictionOf,
  type PredictionWithFeatures,
  type PredictOptions,
  Predictor,
  type PredictorInput,
  type PredictorOptions,
  type PredictorQueue,
} from './inference/predictor.js';
export type { Device } from './model/device.js';
export type { BatchNormPolicy, FreezePlan, FreezeRule } from './model/freeze.js';
export type { HeadOptions } from './model/head.js';
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
export type { Floats, HeadShape, ImageFailure, ModelDtype, NativeDevice, NativeOptimizer } from './native/binding.js';
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
export {
  type Schedule,
  type ScheduleKind,
  type ScheduleOptions,
  type ScheduleSpec,
  schedules,
  type WarmupOptions,
} from './optim/schedules.js';
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
  Metrics,
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
