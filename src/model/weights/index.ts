export { cacheDirectory } from './cache.js';
export type { ClassNames } from './class-rows.js';
export { refuseOtherMember } from './family.js';
export {
  type ExpectedTensor,
  matchWeights,
  type WeightsMatch,
} from './match.js';
export {
  CHECKPOINT_FORMAT,
  CHECKPOINT_VERSION,
  type CheckpointMetadata,
  headOf,
  readMetadata,
  type TransformMetadata,
} from './metadata.js';
export { openTensors, openWeights } from './open.js';
export {
  DOWNLOAD_BASE,
  defaultWeights,
  NAMED_WEIGHTS,
  type NamedWeights,
  type Preprocessing,
  type WeightsName,
} from './registry.js';
export {
  type ResolvedWeights,
  type ResolveOptions,
  resolveWeights,
  type WeightsSource,
} from './resolve.js';
export type {
  StoredDtype,
  StoredTensor,
  TensorTable,
  WeightsFormat,
} from './table.js';
export { listNames } from './table.js';
