import { ResnetTorchError } from '../errors.js';
import { describe, invalidArgument, nearest, requireNumber } from '../options.js';

/**
 * How much each class counts in the loss: by name, above 0, and 1 for a class that is not named; or `balanced`, images of all
 * classes over classes times images of the class, of those that are trained on, as scikit-learn has it.
 */
export type ClassWeights = 'balanced' | Readonly<Record<string, number>>;

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for what is no such thing, or a weight that is not above 0 */
export function requireClassWeights(value: unknown, name: string): ClassWeights {
  if (value === 'balanced') return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(
      `${name} must be 'balanced' or weights by class name, such as { ants: 1, bees: 2.5 }, not ${describe(value)}.`,
    );
  }
  for (const [className, weight] of Object.entries(value)) {
    requireNumber(weight, `${name}[${JSON.stringify(className)}]`, { exclusiveMin: 0 });
  }
  return value as Readonly<Record<string, number>>;
}

/**
 * A weight for each of a model's outputs.
 *
 * @param counts images that are trained on, by class name; null where they are not known
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for a name that no class has; `ERR_DATASET` for `balanced` where a class has
 *   no image to train on
 */
export function weightsOf(
  given: ClassWeights,
  classes: readonly string[],
  counts: ReadonlyMap<string, number> | null,
): Float64Array {
  if (given === 'balanced') return balancedWeights(classes, counts);
  const unknown = Object.keys(given).find((name) => !classes.includes(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, classes);
    throw invalidArgument(
      `classWeights names ${JSON.stringify(unknown)}, which is no class. ` +
        (near === undefined ? 'Give the names of classes.' : `Did you mean ${near}?`),
    );
  }
  const weights = new Map(Object.entries(given));
  return Float64Array.from(classes, (name) => weights.get(name) ?? 1);
}

function balancedWeights(classes: readonly string[], counts: ReadonlyMap<string, number> | null): Float64Array {
  if (counts === null) {
    throw invalidArgument("classWeights 'balanced' needs a data set to count. Give weights by class name.");
  }
  const images = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return Float64Array.from(classes, (name) => {
    const count = counts.get(name) ?? 0;
    if (count > 0) return images / (classes.length * count);
    throw new ResnetTorchError(
      'ERR_DATASET',
      `The class ${JSON.stringify(name)} has no image to train on, so classWeights 'balanced' has no weight for it. ` +
        'Give weights by class name, or train a model without that class.',
    );
  });
}
