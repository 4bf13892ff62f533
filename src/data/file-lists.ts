import type { NativeFileList } from '../native/contract/data.js';
import { native } from '../native/load.js';
import type { SplitName } from './batches.js';
import type { LabelledFile } from './sources/listing.js';
import { ITEMS_A_TURN, Turns } from './turns.js';

/** Images that have no files of their own. */
export interface ImageStore {
  readonly list: NativeFileList;
  /** In the list, of each file of a split. */
  readonly positions: Readonly<Record<'train' | 'val', Int32Array>>;
}

/** Hands the files of a split to native code, some at a time. The caller disposes of the list. */
export async function makeFileList(
  files: readonly LabelledFile[],
  labelOf: (file: LabelledFile) => number,
  store: ImageStore | null,
  split: SplitName,
): Promise<NativeFileList> {
  const turns = new Turns();
  const positions = store === null ? null : positionsOf(store, split);
  const made = new (native().FileList)([], new Int32Array());
  try {
    for (let start = 0; start < files.length; start += ITEMS_A_TURN) {
      const part = files.slice(start, start + ITEMS_A_TURN);
      const labels = Int32Array.from(part, labelOf);
      if (store === null || positions === null) {
        made.append(
          part.map(({ path }) => path),
          labels,
        );
      } else {
        made.appendFrom(store.list, positions.subarray(start, start + part.length), labels);
      }
      if (turns.due(part.length)) await turns.next();
    }
    return made;
  } catch (error) {
    made.dispose();
    throw error;
  }
}

function positionsOf({ positions }: ImageStore, split: SplitName): Int32Array {
  if (split !== 'all') return positions[split];
  const all = new Int32Array(positions.train.length + positions.val.length);
  all.set(positions.train);
  all.set(positions.val, positions.train.length);
  return all;
}
