import { invalidArgument } from '../options.js';
import type { EvaluatedPart, Truth } from './counts.js';

/** What images are, and what they were taken for: scikit-learn's `confusion_matrix`. */
export interface ConfusionMatrix {
  /** The classes of the data, in its order, and after them those that an image was taken for and the data does not have. */
  readonly labels: readonly string[];
  /** A row a class that images are of, a column a class that they were taken for, both in the order of `labels`. */
  readonly counts: readonly (readonly number[])[];
}

/** The most classes of a matrix, which has the square of them. */
export const MOST_CONFUSED = 4096;

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` where there are too many classes for a matrix */
export function requireConfusable(outputs: number): void {
  if (outputs <= MOST_CONFUSED) return;
  throw invalidArgument(
    `A confusion matrix (--confusion) of ${outputs} classes would have ${outputs} × ${outputs} cells, and may have ${MOST_CONFUSED} × ${MOST_CONFUSED}. Leave it out: the table of classes has precision and recall of each.`,
  );
}

/**
 * @param classes of the data
 * @param outputs of the model, by name
 */
export function confusionMatrix(
  parts: readonly Pick<EvaluatedPart, 'indices' | 'predictions'>[],
  truth: Truth,
  classes: readonly string[],
  outputs: readonly string[],
): ConfusionMatrix {
  const taken = new Set(parts.flatMap(({ predictions }) => Array.from(new Set(Array.from(predictions)))));
  const strays = truth.classOfOutput.flatMap((label, output) => (label === -1 && taken.has(output) ? [output] : []));
  const labels = [...classes, ...strays.map((output) => outputs[output] ?? '')];
  const columnOf = [...truth.classOfOutput];
  for (const [index, output] of strays.entries()) columnOf[output] = classes.length + index;
  const counts = labels.map(() => Array<number>(labels.length).fill(0));
  for (const { indices, predictions } of parts) {
    for (let i = 0; i < indices.length; i++) {
      const row = counts[truth.labelOf(indices[i] ?? -1)];
      const column = columnOf[predictions[i] ?? -1] ?? -1;
      if (row !== undefined) row[column] = (row[column] ?? 0) + 1;
    }
  }
  return { labels, counts };
}
