import { extname, relative } from 'node:path';
import type { CorruptFile } from './check.js';
import type { IgnoredFile } from './folder.js';

/** What lies in a folder and is not used. */
export interface Skipped {
  readonly ignored: readonly IgnoredFile[];
  /** Broken files that were left out. */
  readonly corrupt: readonly CorruptFile[];
}

const MOST_NAMED = 5;

/** Sentences for a person: how many files of which kind are not used, and the names of some. */
export function describeSkipped({ ignored, corrupt }: Skipped, root: string): readonly string[] {
  const visible = ignored.filter(({ reason }) => reason !== 'hidden');
  const notes = [...groupBy(visible, describeKind)].map(
    ([kind, files]) => `Not read: ${counted(files.length)} ${kind} (${named(files, root)})`,
  );
  if (corrupt.length > 0) {
    notes.push(`Left out as broken: ${counted(corrupt.length)} (${named(corrupt, root)})`);
  }
  return notes;
}

function describeKind({ path, reason }: IgnoredFile): string {
  if (reason === 'place') return 'outside of the class folders';
  return extname(path) === '' ? 'without an extension' : `with the extension ${extname(path).toLowerCase()}`;
}

function counted(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}

function named(files: readonly { readonly path: string }[], root: string): string {
  const names = files.slice(0, MOST_NAMED).map(({ path }) => relative(root, path) || path);
  return files.length > MOST_NAMED ? `${names.join(', ')}, …` : names.join(', ');
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return groups;
}
