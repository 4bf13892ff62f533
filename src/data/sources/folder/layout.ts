import { join } from 'node:path';
import type { Note } from '../../../notes.js';
import { datasetError } from '../../dataset-error.js';
import { isHidden, isImageName, readFolder, readImageTree } from '../../image-tree.js';
import { quoted } from '../../quoted.js';
import type { Turns } from '../../turns.js';
import { PART_NAMES, type Role, roleOf } from '../part-names.js';

/** Which folders of a data set are what. */
export interface Layout {
  /** The folder's name; null where there is none. */
  readonly train: string | null;
  /** What is evaluated on; null where there is none. */
  readonly val: string | null;
  readonly notes: readonly Note[];
}

/** A folder with the name of a part. */
interface Candidate {
  readonly name: string;
  readonly role: Role;
  /** Images that lie in it directly. */
  readonly images: number;
  readonly folders: readonly string[];
}

const FLAT: Layout = { train: null, val: null, notes: [] };

/**
 * Tells parts from classes: a folder with the name of a part is one if it holds folders. Where it holds images directly and
 * so do the folders beside it, it is a class.
 *
 * @param folders names of those in the data's folder
 * @throws ResnetTorchError `ERR_DATASET` where that cannot be told, or a part is there twice
 */
export async function findLayout(path: string, folders: readonly string[], turns: Turns): Promise<Layout> {
  const visible = folders.filter((name) => !isHidden(name));
  const candidates: Candidate[] = [];
  for (const name of visible) {
    const role = roleOf(name);
    if (role !== undefined) candidates.push({ name, role, ...(await lookInto(join(path, name), turns)) });
  }
  if (candidates.length === 0) return FLAT;
  const others = visible.filter((name) => roleOf(name) === undefined);
  const parts = await chooseParts(path, candidates, others, turns);
  return parts === null ? asClasses(candidates) : assign(path, candidates, parts, others, turns);
}

async function lookInto(path: string, turns: Turns): Promise<{ images: number; folders: readonly string[] }> {
  const { folders, files } = await readFolder(path, turns);
  let images = 0;
  for (const name of files) {
    if (isImageName(name) && !isHidden(name)) images++;
    if (turns.due()) await turns.next();
  }
  return { images, folders: folders.filter((name) => !isHidden(name)) };
}

/** The candidates that are parts; null where they are classes. */
async function chooseParts(
  path: string,
  candidates: readonly Candidate[],
  others: readonly string[],
  turns: Turns,
): Promise<readonly Candidate[] | null> {
  const nested = candidates.filter(({ folders }) => folders.length > 0);
  const clear = nested.filter(({ images }) => images === 0);
  if (clear.some(({ role }) => role === 'train')) return nested;
  if (!(await anyHoldsImages(path, others, turns))) {
    if (nested.length > 0) return nested;
    const [loose] = candidates.filter(({ images }) => images > 0);
    if (loose !== undefined) throw withoutClasses(path, loose);
    // Of empty folders the one that is read says what is wrong.
    return others.length === 0 ? candidates : null;
  }
  // Beside other class folders, one with such a name is a class, unless there is more that speaks against it.
  for (const candidate of nested) refuseUndecided(path, candidate, others);
  return null;
}

/** @throws ResnetTorchError `ERR_DATASET` where a folder is a part by what it holds, and a class by what lies beside it */
function refuseUndecided(path: string, candidate: Candidate, others: readonly string[]): void {
  const { name, role, images, folders } = candidate;
  const shared = folders.filter((folder) => others.includes(folder));
  if (shared.length === 0 && (images === 0 || role !== 'train')) return;
  const lie = others.length === 1 ? 'lies' : 'lie';
  throw datasetError(
    `It cannot be told whether ${join(path, name)} is a part of the data set or a class: it holds ` +
      (shared.length > 0
        ? `the folders ${quoted(shared)}, and so does ${path}. Put those of ${path} into ${join(path, 'train')}.`
        : `folders and images, and ${quoted(others)} ${lie} beside it. ` +
          'Put its images into its folders if it is a part, or give it another name if it is a class.'),
  );
}

function withoutClasses(path: string, { name, images }: Candidate): Error {
  return datasetError(
    `${join(path, name)} holds no class folders${images === 0 ? '' : `, but ${images} images without a class`}. ` +
      'Put the images of each class in a folder of its own, named after the class.',
  );
}

async function anyHoldsImages(path: string, names: readonly string[], turns: Turns): Promise<boolean> {
  for (const name of names) {
    if ((await readImageTree(join(path, name), turns)).images.length > 0) return true;
  }
  return false;
}

function asClasses(candidates: readonly Candidate[]): Layout {
  const names = candidates.map(({ name }) => `${name}/`);
  const message =
    `${quoted(names)} ${names.length === 1 ? 'is read as a class' : 'are read as classes'}, not as ` +
    `${names.length === 1 ? 'a part' : 'parts'} of the data set, since other class folders lie beside it.`;
  return { ...FLAT, notes: [{ code: 'part-name-is-class', message }] };
}

async function assign(
  path: string,
  candidates: readonly Candidate[],
  parts: readonly Candidate[],
  others: readonly string[],
  turns: Turns,
): Promise<Layout> {
  const train = only(path, 'train', parts);
  const ownVal = only(path, 'val', parts);
  const tests = candidates.filter(({ role }) => role === 'test');
  const testParts = tests.filter((part) => parts.includes(part));
  const val = ownVal ?? only(path, 'test', testParts);
  for (const candidate of candidates) {
    if (candidate.role !== 'test' && candidate !== train && candidate !== val) throw withoutClasses(path, candidate);
  }
  const notes: Note[] = [];
  if (ownVal !== null) {
    notes.push(...tests.map(({ name }) => setAside(path, name, ownVal.name)));
  } else if (val !== null && train !== null) {
    notes.push({
      code: 'test-part-is-validation',
      message:
        `There is no val/: ${val.name}/ is evaluated on after each epoch, and the best epoch is chosen by it. ` +
        'For a figure of images that had no part in that, lay out a val/ too.',
    });
  } else {
    notes.push(
      ...tests
        .filter((part) => part !== val)
        .map(({ name, images }) => ({
          code: 'test-part-not-read',
          message: `Not read: ${name}/, which holds ${images === 0 ? 'nothing' : `${images} images without class folders`}. A share of ${train?.name}/ is held back to evaluate on.`,
        })),
    );
  }
  const used = [train, val].filter((part) => part !== null);
  if (train !== null && val === null) await refusePassedOver(path, train, others, turns);
  if (others.length > 0) notes.push(besideParts(others, used));
  return { train: train?.name ?? null, val: val?.name ?? null, notes };
}

function only(path: string, role: Role, parts: readonly Candidate[]): Candidate | null {
  const own = parts.filter((part) => part.role === role);
  if (own.length < 2) return own[0] ?? null;
  throw datasetError(
    `${path} holds ${own.map(({ name }) => `${name}/`).join(' and ')}, which mean the same part of the data set. ` +
      'Put their images together, or move one away.',
  );
}

function setAside(path: string, test: string, val: string): Note {
  return {
    code: 'test-part-not-read',
    message: `Not read: ${test}/. ${val}/ is what is evaluated on; to measure on ${test}/, name it: ${join(path, test)}`,
  };
}

function besideParts(others: readonly string[], used: readonly Candidate[]): Note {
  const parts = used.map(({ name }) => `${name}/`).join(' and ');
  const folders = others.length === 1 ? '1 folder' : `${others.length} folders`;
  return { code: 'folders-not-read', message: `Not read: ${folders} beside ${parts} (${quoted(others)})` };
}

/** A folder with the same classes, though not with the name of a part, is hardly there to be passed over. */
async function refusePassedOver(
  path: string,
  train: Candidate,
  others: readonly string[],
  turns: Turns,
): Promise<void> {
  for (const name of others) {
    const { folders } = await lookInto(join(path, name), turns);
    if (folders.length === 0 || !folders.every((folder) => train.folders.includes(folder))) continue;
    throw datasetError(
      `${join(path, name)} holds the same class folders as ${join(path, train.name)}, but its name is not that of a part. ` +
        `Rename it to val/ if it is to be evaluated on, or move it out of ${path}. Parts are told by their names: ${PART_NAMES}, in any case.`,
    );
  }
}
