import { ResnetTorchError } from '../errors.js';
import type { NativeModel, NativeModelOptions } from '../native/contract/model.js';
import { native, withCancel } from '../native/load.js';
import type { Note } from '../notes.js';
import type { ArchitectureName } from './architecture.js';
import {
  type ClassNames,
  matchWeights,
  refuseOtherMember,
  type TensorTable,
  type WeightsMatch,
} from './weights/index.js';

export interface MadeNative {
  readonly handle: NativeModel;
  readonly head: WeightsMatch['head'];
  readonly notes: readonly Note[];
}

/**
 * A native model with the weights of a file in it, or random ones; it is disposed of again when they do not fit.
 *
 * @throws ERR_OUT_OF_MEMORY; ERR_SHAPE_MISMATCH when the backbone does not fit; ERR_WEIGHTS_FORMAT when a weight is not finite;
 *   ERR_CHECKPOINT when the head must fit and does not; the signal's reason
 */
export async function makeNative(
  options: NativeModelOptions & { readonly arch: ArchitectureName },
  table: TensorTable | null,
  o: { readonly signal: AbortSignal | undefined; readonly withHead?: boolean; readonly classes?: ClassNames },
): Promise<MadeNative> {
  const { arch } = options;
  if (table !== null) refuseOtherMember(table.path, table.arch, arch);
  const handle = new (native().Model)(options);
  try {
    await handle.allocate();
    if (table === null) return { handle, head: 'skipped', notes: [] };
    const tensors = handle.tensors();
    const match = matchWeights(table, tensors, arch, o.classes);
    if (o.withHead === true && match.head === 'skipped') {
      const why = match.notes.map(({ message }) => message).join(' ');
      throw new ResnetTorchError('ERR_CHECKPOINT', `${table.path} cannot be used as it is. ${why}`);
    }
    o.signal?.throwIfAborted();
    for (const name of match.zero) {
      const shape = tensors.find((tensor) => tensor.name === name)?.shape ?? [];
      await handle.write(name, new Float32Array(shape.reduce((product, side) => product * side, 1)));
    }
    await withCancel(o.signal, (token) => handle.load(table.path, match.load, token));
    return { handle, head: match.head, notes: match.notes };
  } catch (error) {
    handle.dispose();
    throw error;
  }
}
