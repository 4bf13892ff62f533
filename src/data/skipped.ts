import { extname, relative } from 'node:path';
import type { Note } from '../notes.js';
import type { CorruptFile } from './check.js';
import type { IgnoredFile } from './image-tree.js';
import type { Turns } from './turns.js';

/** What lies in a folder and is not used. */
export interface Skipped {
  readonly ignored: readonly IgnoredFile[];
  /** Broken files that were left out. */
  readonly corrupt: readonly CorruptFile[];
}

const MOST_NAMED = 5;

/** How many files of which kind are not used, and the names of some. */
export async function describeSkipped({ ignored, corrupt }: Skipped, root: string, turns: Turns): Promise<Note[]> {
  const groups = new Map<string, Group>();
  for (const file of ignored) {
    const kind = describeKind(file);
    if (kind !== null) addTo(groups, kind, file);
    if (turns.due()) await turns.next();
  }
  const notes = [...groups].map(([kind, group]): Note => {
    if (kind === RUNS) {
      const runs = group.count === 1 ? '1 run directory' : `${group.count} run directories`;
      return { code: 'run-directories-not-read', message: `Not read: ${runs} (${named(group, root)})` };
    }
    return { code: 'files-not-read', message: `Not read: ${counted(group.count)} ${kind} (${named(group, root)})` };
  });
  if (corrupt.length > 0) {
    const group = { count: corrupt.length, paths: corrupt.slice(0, MOST_NAMED).map(({ path }) => path) };
    const message = `Left out as broken: ${counted(corrupt.length)} (${named(group, root)})`;
    notes.push({ code: 'broken-files-left-out', message });
  }
  return notes;
}

/** Of one kind, the number and the paths of the first. */
interface Group {
  count: number;
  readonly paths: string[];
}

const RUNS = 'run';

function addTo(groups: Map<string, Group>, kind: string, { path }: IgnoredFile): void {
  const group = groups.get(kind) ?? { count: 0, paths: [] };
  group.count++;
  if (group.paths.length < MOST_NAMED) group.paths.push(path);
  groups.set(kind, group);
}

/** Null for what nobody expects to be read. */
function describeKind({ path, reason }: IgnoredFile): string | null {
  if (reason === 'hidden') return null;
  if (reason === 'run') return RUNS;
  if (reason === 'place') return 'outside of the class folders';
  return extname(path) === '' ? 'without an extension' : `with the extension ${extname(path).toLowerCase()}`;
}

function counted(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}

function named({ count, paths }: Group, root: string): string {
  const names = paths.map((path) => relative(root, path) || path).join(', ');
  return count > paths.length ? `${names}, …` : names;
}
