import type { Dataset, SplitName } from '../data/dataset.js';
import { Tally } from '../metrics/counts.js';
import { type ClassResult, perClass } from '../metrics/per-class.js';
import { type Metrics, measure } from '../metrics/registry.js';
import type { ResNet } from '../model/network.js';
import { checkOptions, requireOneOf } from '../options.js';
import { INPUT_OPTION_NAMES, type InputOptions, PASS_OPTION_NAMES, type PassOptions, passOver } from './input.js';

/** What is evaluated, and how images are read. */
export interface EvaluateOptions extends InputOptions, PassOptions {
  /** Default `val`, or `all` of a folder that has no parts such as `train/` and `val/`. */
  readonly split?: SplitName;
}

/** How well a model tells the classes of a data set apart. Every image of the split counts once. */
export interface EvaluationResult extends Metrics {
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
export async function evaluate(model: ResNet, data: Dataset, options: EvaluateOptions = {}): Promise<EvaluationResult> {
  checkOptions(options, ['split', ...INPUT_OPTION_NAMES, ...PASS_OPTION_NAMES], 'evaluate()');
  const split = requireOneOf(options.split ?? (data.hasParts ? 'val' : 'all'), 'split', ['train', 'val', 'all']);
  options.signal?.throwIfAborted();
  const listFiles = () => data.fileListFor(split, model.classes);
  const parts = await passOver(model, listFiles, options, options, (request, token) =>
    model.handle.evaluate(request, token),
  );
  const tally = new Tally(data.truthFor(split, model.classes));
  for (const part of parts) tally.add(part);
  const { counts } = tally;
  return { ...measure(counts), split, perClass: perClass(data.classes, counts.classes) };
}
