export { cacheDirectory } from './cache.js';
export {
  type ExpectedTensor,
  matchWeights,
  type WeightsMatch,
} from './match.js';
export {
  CHECKPOINT_FORMAT,
  type CheckpointMetadata,
  headOf,
  readMetadata,
  type TransformMetadata,
} from './metadata.js';
export { openWeights } from './open.js';
export {
  DOWNLOAD_BASE,
  NAMED_WEIGHTS,
  type NamedWeights,
  type Preprocessing,
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
