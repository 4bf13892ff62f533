import { ResnetTorchError } from '../errors.js';
import type { NativeModel, NativeModelOptions } from '../native/binding.js';
import { native } from '../native/load.js';
import { matchWeights, type TensorTable } from './weights/index.js';

/**
 * A native model with the weights of a file in it, or random ones; it is disposed of again when they do not fit.
 *
 * @throws ERR_SHAPE_MISMATCH when the backbone does not fit; ERR_CHECKPOINT when the head must and does not
 */
export async function makeNative(
  options: NativeModelOptions,
  table: TensorTable | null,
  o: { readonly signal: AbortSignal | undefined; readonly withHead?: boolean },
): Promise<{ readonly handle: NativeModel; readonly notes: readonly string[] }> {
  const handle = new (native().Model)(options);
  try {
    if (table === null) return { handle, notes: [] };
    const match = matchWeights(table, handle.tensors());
    if (o.withHead === true && match.head === 'skipped') {
      const why = match.messages.join(' ');
      throw new ResnetTorchError('ERR_CHECKPOINT', `${table.path} cannot be used as it is. ${why}`);
    }
    await handle.load(table.path, match.load);
    o.signal?.throwIfAborted();
    return { handle, notes: match.messages };
  } catch (error) {
    handle.dispose();
    throw error;
  }
}
