import { stat } from 'node:fs/promises';
import { systemPath } from '../path-bytes.js';
import { folder } from './folder/folder.js';
import type { Source } from './listing.js';
import { csv } from './manifest/csv.js';
import { jsonl } from './manifest/jsonl.js';

/** Every source that is named by a path, a row each. The last one says what is wrong with a path that none of them reads. */
const SOURCES: readonly Source[] = [csv, jsonl, folder];

export async function sourceOf(path: string): Promise<Source> {
  const isFolder = await stat(systemPath(path)).then(
    (info) => info.isDirectory(),
    () => false,
  );
  return SOURCES.find((source) => source.opens(path, isFolder)) ?? folder;
}
