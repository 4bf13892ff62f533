import type { Dataset, SplitName } from '../data/dataset.js';
import type { ResNet50 } from '../model/resnet50.js';
import type { NativeEvaluation } from '../native/binding.js';
import { checkOptions, requireOneOf } from '../options.js';
import { INPUT_OPTION_NAMES, type InputOptions, PASS_OPTION_NAMES, type PassOptions, passOver } from './input.js';

/** What is evaluated, and how images are read. */
export interface EvaluateOptions extends InputOptions, PassOptions {
  /** Default `val`, or `all` of a folder that has no parts such as `train/` and `val/`. */
  readonly split?: SplitName;
}

/** How one class fared. */
export interface ClassResult {
  readonly name: string;
  readonly images: number;
  /** Share of the class's images that were told rightly; 0 where there are none. */
  readonly top1: number;
}

/** How well a model tells the classes of a data set apart. */
export interface EvaluationResult {
  /** Share of images whose likeliest class is the right one, 0 to 1. */
  readonly top1: number;
  /** Share of images whose class is among the five likeliest; only where there are more than five classes. */
  readonly top5?: number;
  /** Mean cross-entropy over images. */
  readonly loss: number;
  /** Every image of the split counts once. */
  readonly images: number;
  readonly split: SplitName;
  /** In the order of the data set's classes. */
  readonly perClass: readonly ClassResult[];
}

/**
 * Measures a model on labelled images. Labels are matched to the model's classes by name.
 *
 * @throws ERR_DATASET when the split is empty, or the model does not know a class of it; ERR_IMAGE_DECODE naming a file
 *   that cannot be read; ERR_INVALID_ARGUMENT for options out of range; the signal's reason when it is aborted
 */
export async function evaluate(
  model: ResNet50,
  data: Dataset,
  options: EvaluateOptions = {},
): Promise<EvaluationResult> {
  checkOptions(options, ['split', ...INPUT_OPTION_NAMES, ...PASS_OPTION_NAMES], 'evaluate()');
  const split = requireOneOf(options.split ?? (data.hasParts ? 'val' : 'all'), 'split', ['train', 'val', 'all']);
  options.signal?.throwIfAborted();
  const files = data.fileListFor(split, model.classes);
  const parts = await passOver(model, files, options, options, (request, token) =>
    model.handle.evaluate(request, token),
  );
  const total = (count: (part: NativeEvaluation) => number): number =>
    parts.reduce((sum, part) => sum + count(part), 0);
  const images = total((part) => part.images);
  const mean = (sum: number): number => (images === 0 ? 0 : sum / images);
  return {
    top1: mean(total((part) => part.top1)),
    ...(model.classes.length > 5 ? { top5: mean(total((part) => part.top5)) } : {}),
    loss: mean(total((part) => part.lossSum)),
    images,
    split,
    perClass: byClass(model, data, split, parts),
  };
}

function byClass(
  model: ResNet50,
  data: Dataset,
  split: SplitName,
  parts: readonly NativeEvaluation[],
): readonly ClassResult[] {
  const { files } = data.split(split);
  const images = data.classes.map(() => 0);
  const right = data.classes.map(() => 0);
  for (const { indices, predictions } of parts) {
    indices.forEach((index, position) => {
      const label = files[index]?.label ?? 0;
      images[label] = (images[label] ?? 0) + 1;
      const predicted = model.classes[predictions[position] ?? -1];
      if (predicted === data.classes[label]) right[label] = (right[label] ?? 0) + 1;
    });
  }
  return data.classes.map((name, label) => {
    const count = images[label] ?? 0;
    return { name, images: count, top1: count === 0 ? 0 : (right[label] ?? 0) / count };
  });
}
