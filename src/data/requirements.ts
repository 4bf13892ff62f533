import type { Note } from '../notes.js';
import { datasetError } from './dataset-error.js';
import { quoted } from './quoted.js';

/** Images of each class, by its position. */
export interface ClassCounts {
  readonly path: string;
  readonly classes: readonly string[];
  /** Whether the images to evaluate on were chosen by whoever laid out the data. */
  readonly hasParts: boolean;
  readonly train: readonly number[];
  readonly val: readonly number[];
  /** Whether broken files were left out. */
  readonly hasBroken: boolean;
}

/**
 * What a class must have, so that it can be learned and what was learned can be measured.
 *
 * @param valSplit the share that is held back where the data has no parts; 0 for a caller who evaluates on nothing
 * @throws ResnetTorchError `ERR_DATASET`
 */
export function refuseUnlearnable(
  { path, classes, hasParts, train, val, hasBroken }: ClassCounts,
  valSplit: number,
): void {
  const emptied = classes.filter((_, label) => train[label] === 0);
  if (emptied.length > 0) {
    throw datasetError(
      hasBroken
        ? `Every training image of ${quoted(emptied)} in ${path} is broken, so none is left to train on. ` +
            'Replace the files or remove the class.'
        : `${path} has no training image of ${quoted(emptied)}. Add some, or leave the class out.`,
    );
  }
  if (!hasParts && valSplit > 0) refuseSingles(path, classes, train, val);
  if ((hasParts || valSplit > 0) && val.every((count) => count === 0)) {
    throw datasetError(`Every image of ${path} to evaluate on is broken. Replace the files.`);
  }
}

/** Of one image nothing can be held back, and nothing would be known of the class. */
function refuseSingles(
  path: string,
  classes: readonly string[],
  train: readonly number[],
  val: readonly number[],
): void {
  const singles = classes.filter((_, label) => (train[label] ?? 0) + (val[label] ?? 0) === 1);
  if (singles.length === 0) return;
  const which = singles.length === classes.length ? `each class (${quoted(singles)})` : quoted(singles);
  throw datasetError(
    `${path} holds one image only of ${which}, so that none can be held back to evaluate on. Each class needs two images ` +
      'at least, one to train on and one to evaluate on: add images, leave the class out, or lay out train/ and val/ with ' +
      'images of your choice in each (in code, valSplit: 0 holds nothing back).',
  );
}

/** Classes that are learned, and of which an evaluation says nothing. */
export function notesOnClasses({ classes, train, val }: ClassCounts): readonly Note[] {
  const missing = classes.filter((_, label) => (train[label] ?? 0) > 0 && val[label] === 0);
  if (missing.length === 0 || missing.length === classes.length) return [];
  const message =
    `There are no images of ${quoted(missing)} to evaluate on: what is measured says nothing of ` +
    `${missing.length === 1 ? 'that class' : 'those classes'}.`;
  return [{ code: 'classes-without-validation', message }];
}
