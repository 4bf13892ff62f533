import type { ClassCount, Counts } from './counts.js';
import { type CountMetric, ratio } from './metric.js';

/** How the figures of classes become one. */
export type Average = 'macro' | 'micro' | 'weighted';

type Needs = 'classes' | 'strays';

/** The row of a figure of classes, averaged. */
export interface AveragedMetric<Name extends string, Key extends string> extends CountMetric<Key, Needs> {
  readonly name: Name;
}

/**
 * The rows of a figure that every class has, a row an average, as scikit-learn takes them: `macro` is the mean over classes,
 * `weighted` the mean by their images, `micro` the figure of all classes' counts together, which of one class an image is the share
 * of right answers. The classes are those that an image is of or was taken for, in the data or not.
 *
 * @param ofClass 0 where nothing is divided
 */
export function averaged<Word extends string>(
  word: Word,
  title: string,
  ofClass: (counts: ClassCount) => number,
): readonly [
  AveragedMetric<`${Word}-macro`, `${Word}Macro`>,
  AveragedMetric<`${Word}-micro`, `${Word}Micro`>,
  AveragedMetric<`${Word}-weighted`, `${Word}Weighted`>,
] {
  const shared = { better: 'higher', range: [0, 1], shownAs: 'share', needs: ['classes', 'strays'] } as const;
  const titled = (average: Average) => `${title} (${average})`;
  return [
    {
      ...shared,
      name: `${word}-macro`,
      key: `${word}Macro`,
      title: titled('macro'),
      of: (counts) => {
        const classes = metOf(counts);
        return ratio(
          classes.reduce((sum, one) => sum + ofClass(one), 0),
          classes.length,
        );
      },
    },
    {
      ...shared,
      name: `${word}-micro`,
      key: `${word}Micro`,
      title: titled('micro'),
      of: (counts) => ofClass(metOf(counts).reduce(addUp, { images: 0, correct: 0, predicted: 0 })),
    },
    {
      ...shared,
      name: `${word}-weighted`,
      key: `${word}Weighted`,
      title: titled('weighted'),
      of: (counts) => {
        const classes = metOf(counts);
        const images = classes.reduce((sum, one) => sum + one.images, 0);
        return ratio(
          classes.reduce((sum, one) => sum + one.images * ofClass(one), 0),
          images,
        );
      },
    },
  ];
}

/** Classes that an image is of, or was taken for. */
function metOf({ classes, strays }: Pick<Counts, Needs>): readonly ClassCount[] {
  const others = strays.map((predicted) => ({ images: 0, correct: 0, predicted }));
  return [...classes, ...others].filter(({ images, predicted }) => images > 0 || predicted > 0);
}

function addUp(a: ClassCount, b: ClassCount): ClassCount {
  return { images: a.images + b.images, correct: a.correct + b.correct, predicted: a.predicted + b.predicted };
}
