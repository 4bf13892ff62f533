import { shuffled } from './shuffled.js';
import type { Turns } from './turns.js';

/** One of the folds of a k-fold cross-validation. */
export interface Fold {
  /** How many folds there are, 2 to 1000. */
  readonly of: number;
  /** Which of them is held back, from 0. */
  readonly index: number;
}

/** The images of a class, by their names below it. */
export interface ClassNames {
  readonly className: string;
  readonly names: readonly string[];
}

/**
 * Deals the images of each class to `of` folds, as scikit-learn's `StratifiedKFold` with `shuffle`: the folds of a class
 * differ by one image at most, and so do those of all classes together. Which image comes to which fold depends on the seed,
 * the class and the image's name alone, and on how many images of other classes come before it.
 *
 * @returns class by class, the fold of each image, 0 to `of` − 1
 */
export async function stratifiedFolds(
  classes: readonly ClassNames[],
  of: number,
  seed: number,
  turns: Turns,
): Promise<readonly Int32Array[]> {
  const folds: Int32Array[] = [];
  let dealt = 0;
  for (const { className, names } of classes) {
    const own = new Int32Array(names.length);
    for (const position of await shuffled(className, names, seed, turns)) {
      own[position] = dealt++ % of;
      if (turns.due()) await turns.next();
    }
    folds.push(own);
  }
  return folds;
}
