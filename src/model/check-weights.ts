import type { Note } from '../notes.js';
import { makeNative } from './make-native.js';
import type { ModelSource } from './model-source.js';

/**
 * Loads the weights of a source once, as `ResNet.load()` does, for what only their values and shapes tell, and lets go
 * of them.
 *
 * @throws ERR_SHAPE_MISMATCH when tensors are missing or of another shape; ERR_WEIGHTS_FORMAT when a value is not finite;
 *   ERR_CHECKPOINT when the head does not fit what the checkpoint says of it
 */
export async function checkWeights({ arch, head, table }: ModelSource, signal?: AbortSignal): Promise<readonly Note[]> {
  const options = { arch, ...head, dtype: 'float32', device: 'cpu', seed: 0 } as const;
  const { handle, notes } = await makeNative(options, table, { signal, withHead: true });
  handle.dispose();
  return notes;
}
