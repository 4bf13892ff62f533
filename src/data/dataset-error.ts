import { ResnetTorchError } from '../errors.js';

/** An `ERR_DATASET`. */
export function datasetError(message: string, cause?: unknown): ResnetTorchError {
  return new ResnetTorchError('ERR_DATASET', message, cause === undefined ? undefined : { cause });
}
