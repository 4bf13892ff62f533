import type { FileReader } from './file-reader.js';
import type { StoredTensor, WeightsFormat } from './table.js';

/** A tensor that a file names. Where its bytes lie is looked up, and checked, when it is wanted. */
export interface FoundTensor {
  readonly shape: readonly number[];
  /** Says whether two names share their values; `null` where nothing is shared. */
  readonly identity: object | null;
  /** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when it is damaged or of a kind that is not read */
  locate(name: string): Promise<StoredTensor>;
}

/** A dict of tensors in a file. */
export interface TensorGroup {
  /** Keys that lead to it, such as `['state_dict']`; none for the top level. */
  readonly place: readonly string[];
  readonly tensors: ReadonlyMap<string, FoundTensor>;
}

/** What a weights file holds, before anything is chosen. Good while the file is open. */
export interface TensorSource {
  readonly path: string;
  readonly format: WeightsFormat;
  readonly groups: readonly TensorGroup[];
  readonly metadata: Readonly<Record<string, string>>;
}

export type SourceReader = (file: FileReader) => Promise<TensorSource>;

/** Where trainers put the state dict, likeliest first; the top level comes after them. */
export const NESTS = ['state_dict', 'model_state_dict', 'model'];

/** The rank of keys that are not known: they come last, all alike. */
export const UNKNOWN_NEST = NESTS.length + 1;

/** Lower is likelier. */
export function nestRank({ place }: TensorGroup): number {
  if (place.length === 0) return NESTS.length;
  const ranks = place.map((key) => NESTS.indexOf(key));
  return ranks.includes(-1) ? UNKNOWN_NEST : Math.min(...ranks);
}
