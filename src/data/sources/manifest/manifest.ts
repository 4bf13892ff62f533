import { stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, relative } from 'node:path';
import { isError } from '../../../kinds.js';
import type { Note } from '../../../notes.js';
import { describe } from '../../../options.js';
import { datasetError } from '../../dataset-error.js';
import { compareCodePoints } from '../../order.js';
import { systemPath } from '../../path-bytes.js';
import { sortInTurns, type Turns } from '../../turns.js';
import type { LabelledFile, ListedPart, Listing, ListRequest } from '../listing.js';
import { PART_NAMES, type Role, roleOf } from '../part-names.js';

/** What a list of images says of one: a row of a CSV file, a line of JSON. */
export interface ManifestRow {
  /** From 1. */
  readonly line: number;
  /** As written: relative to the list's folder, or absolute. */
  readonly path: string;
  /** The class, by its name. */
  readonly label: string;
  /** The part of the data set; null where the list knows of no parts. */
  readonly split: string | null;
}

/** A row whose file and part are known. */
interface Placed {
  readonly line: number;
  readonly path: string;
  readonly folder: string;
  readonly label: string;
  readonly role: Role;
}

/** Lines that a message names. */
const MOST_LINES = 10;

/** Files that are looked for at a time. */
const AT_ONCE = 64;

/**
 * The images that a list names, in the order in which folders would have them, whatever the order of the rows.
 *
 * @param path of the list
 * @param notes what was met in reading it
 * @throws ResnetTorchError `ERR_DATASET` naming the line
 */
export async function listManifest(
  path: string,
  rows: AsyncIterable<ManifestRow>,
  notes: readonly Note[],
  request: ListRequest,
): Promise<Listing> {
  const { turns, forTraining } = request;
  const placed = await place(path, rows, request);
  await refuseMissing(path, placed, request);
  const { train, val, told } = await choose(path, placed, turns);
  const classes = await classesOf(path, train, val, turns);
  if (forTraining) refuseUntrainable(path, classes, train);
  const root = dirname(path);
  return {
    path,
    root,
    classes,
    train: await partOf(train, classes, turns),
    val: val === null ? null : await partOf(val, classes, turns),
    keyOf: (file) => belowClass(relative(root, file.path), classes[file.label] ?? ''),
    ignored: [],
    notes: [...notes, ...told],
    store: null,
  };
}

/** Checks each row by itself, and that no file is there twice. */
async function place(
  list: string,
  rows: AsyncIterable<ManifestRow>,
  { signal, turns }: ListRequest,
): Promise<readonly Placed[]> {
  const placed: Placed[] = [];
  const seen = new Map<string, Placed>();
  for await (const { line, path: written, label, split } of rows) {
    const fault = (what: string) => datasetError(`Line ${line} of ${list} ${what}`);
    if (written === '') throw fault('names no file: its path is empty.');
    if (label === '') throw fault(`has no label for ${written}.`);
    const role = split === null ? 'train' : roleOf(split.trim());
    if (role === undefined) {
      throw fault(
        `has the split ${describe(split)}, which is none of ${PART_NAMES}. Leave the column out to have none.`,
      );
    }
    const path = isAbsolute(written) ? normalize(written) : join(dirname(list), written);
    const row = { line, path, folder: dirname(path), label, role };
    const other = seen.get(path);
    if (other !== undefined)
      throw fault(`names ${written}, which line ${other.line} has already${differs(row, other)}.`);
    seen.set(path, row);
    placed.push(row);
    if (turns.due()) await turns.next();
    signal?.throwIfAborted();
  }
  if (placed.length === 0) throw datasetError(`${list} names no images.`);
  return placed;
}

function differs(a: Placed, b: Placed): string {
  if (a.label !== b.label) return `, as ${b.label} and not as ${a.label}: an image has one label`;
  return a.role === b.role ? '' : `, for ${b.role} and not for ${a.role}`;
}

/** @throws ResnetTorchError `ERR_DATASET` for files that are not there; what else is wrong with one shows when it is read */
async function refuseMissing(list: string, rows: readonly Placed[], { signal, turns }: ListRequest): Promise<void> {
  const missing: Placed[] = [];
  for (let start = 0; start < rows.length; start += AT_ONCE) {
    const part = rows.slice(start, start + AT_ONCE);
    const kinds = await Promise.all(part.map(({ path }) => kindOf(path)));
    for (const [i, row] of part.entries()) {
      if (kinds[i] === 'folder') {
        throw datasetError(
          `Line ${row.line} of ${list} names ${row.path}, which is a folder. Name its images one by one.`,
        );
      }
      if (kinds[i] === 'nothing') missing.push(row);
    }
    signal?.throwIfAborted();
    if (turns.due(part.length)) await turns.next();
  }
  const [first] = missing;
  if (first === undefined) return;
  const lines = missing.slice(1, 1 + MOST_LINES).map(({ line }) => line);
  const ending = missing.length > 1 + MOST_LINES ? ', …' : '';
  const more =
    lines.length === 0 ? '' : ` ${missing.length - 1} more are not there, in lines ${lines.join(', ')}${ending}.`;
  throw datasetError(
    `Line ${first.line} of ${list} names a file that is not there: ${first.path}.${more} ` +
      'Paths are relative to the folder of the list.',
  );
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'nothing'> {
  try {
    return (await stat(systemPath(path))).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const code = isError(error) && 'code' in error ? error.code : undefined;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'nothing' : 'file';
  }
}

interface Chosen {
  readonly train: readonly Placed[];
  /** Null where no row is for it. */
  readonly val: readonly Placed[] | null;
  readonly told: readonly Note[];
}

/** As with folders: what is for validation is evaluated on, and without it what is for testing. */
async function choose(list: string, rows: readonly Placed[], turns: Turns): Promise<Chosen> {
  const byRole: Readonly<Record<Role, Placed[]>> = { train: [], val: [], test: [] };
  for (const row of rows) {
    byRole[row.role].push(row);
    if (turns.due()) await turns.next();
  }
  const { train, val, test } = byRole;
  if (test.length === 0) return { train, val: val.length === 0 ? null : val, told: [] };
  if (val.length > 0) {
    const message = `Not read: ${test.length} rows of ${list} for test. Those for val are what is evaluated on; to measure on test, name them in a list of their own.`;
    return { train, val, told: [{ code: 'test-part-not-read', message }] };
  }
  if (train.length === 0) return { train, val: test, told: [] };
  const message =
    `${list} has no rows for val: those for test are evaluated on after each epoch, and the best epoch is chosen by it. ` +
    'For a figure of images that had no part in that, give some the split val too.';
  return { train, val: test, told: [{ code: 'test-part-is-validation', message }] };
}

/** Class names in the order of their labels: those of the training images, where there are any. */
async function classesOf(
  list: string,
  train: readonly Placed[],
  val: readonly Placed[] | null,
  turns: Turns,
): Promise<readonly string[]> {
  const names = new Map<string, Placed>();
  const known = train.length > 0 ? train : (val ?? []);
  for (const row of known) {
    if (!names.has(row.label)) names.set(row.label, row);
    if (turns.due()) await turns.next();
  }
  for (const row of val ?? []) {
    if (!names.has(row.label)) {
      throw datasetError(
        `Line ${row.line} of ${list} has the label ${row.label}, of which there are images for ${row.role} and none for train. ` +
          'Labels are matched by name: correct it, leave the row out, or add training images of the class.',
      );
    }
    if (turns.due()) await turns.next();
  }
  for (const [name, row] of names) {
    if (turns.due()) await turns.next();
    const other = names.get(name.trim());
    if (other !== undefined && other !== row) {
      throw datasetError(
        `Line ${row.line} of ${list} has the label ${describe(name)} and line ${other.line} ${describe(name.trim())}: ` +
          'these are two classes that differ by spaces alone. Correct one of them.',
      );
    }
  }
  return sortInTurns([...names.keys()], compareCodePoints, turns);
}

function refuseUntrainable(list: string, classes: readonly string[], train: readonly Placed[]): void {
  if (train.length === 0) throw datasetError(`${list} has nothing to train on: no row is for train.`);
  if (classes.length > 1) return;
  throw datasetError(`${list} has one class only, ${classes[0]}. A classifier needs at least two classes.`);
}

/** Class by class, in a class folder by folder, in a folder by name. */
async function partOf(rows: readonly Placed[], classes: readonly string[], turns: Turns): Promise<ListedPart> {
  const position = new Map(classes.map((name, label) => [name, label]));
  const labelOf = (row: Placed): number => position.get(row.label) ?? 0;
  const inOrder = (a: Placed, b: Placed): number =>
    labelOf(a) - labelOf(b) ||
    compareCodePoints(a.folder, b.folder) ||
    compareCodePoints(basename(a.path), basename(b.path));
  const files: LabelledFile[] = [];
  for (const row of await sortInTurns(rows, inOrder, turns)) {
    files.push({ path: row.path, label: labelOf(row) });
    if (turns.due()) await turns.next();
  }
  return { files, positions: null };
}

/** What a path has below the folder that is called like its class, as a class folder's files are named; else all of it. */
function belowClass(path: string, className: string): string {
  const parts = path.replaceAll('\\', '/').split('/');
  const at = parts.slice(0, -1).indexOf(className);
  return parts.slice(at + 1).join('/');
}
