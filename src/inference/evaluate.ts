import type { Dataset, SplitName } from '../data/dataset.js';
import { measureAsked, requireMetric, requireRoom } from '../metrics/ask.js';
import { type ConfusionMatrix, confusionMatrix, requireConfusable } from '../metrics/confusion.js';
import { Tally } from '../metrics/counts.js';
import { type ClassResult, perClass } from '../metrics/per-class.js';
import { type MetricName, type Metrics, measure, needsScores } from '../metrics/registry.js';
import type { ResNet } from '../model/network.js';
import type { Note } from '../notes.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireOneOf } from '../options.js';
import { INPUT_OPTION_NAMES, type InputOptions, PASS_OPTION_NAMES, type PassOptions, passOver } from './input.js';

/** What is evaluated, and how images are read. */
export interface EvaluateOptions extends InputOptions, PassOptions {
  /** Default `val`, or `all` of a folder that has no parts such as `train/` and `val/`. */
  readonly split?: SplitName;
  /**
   * Figures beside those that are always told, such as `['f1-macro', 'roc-auc', 'top3']`. Those of probabilities keep a float32 a
   * class and image until they are made. Default none.
   */
  readonly metrics?: readonly MetricName[];
  /** Count what each class was taken for. At most 4096 outputs. Default false. */
  readonly confusion?: boolean;
}

/** How well a model tells the classes of a data set apart. Every image of the split counts once. */
export interface EvaluationResult extends Metrics {
  readonly split: SplitName;
  /** In the order of the data set's classes. */
  readonly perClass: readonly ClassResult[];
  /** Where it was asked for. */
  readonly confusion?: ConfusionMatrix;
  /** Why a metric that was asked for is null, a note each; absent where none is. */
  readonly notes?: readonly Note[];
}

/**
 * Measures a model on labelled images. Labels are matched to the model's classes by name.
 *
 * @throws ERR_DATASET when the split is empty, or the model does not know a class of it; ERR_IMAGE_DECODE naming a file
 *   that cannot be read; ERR_INVALID_ARGUMENT for options out of range, a metric that there is not, and probabilities of more
 *   images and classes than fit; the signal's reason when it is aborted
 */
export async function evaluate(model: ResNet, data: Dataset, options: EvaluateOptions = {}): Promise<EvaluationResult> {
  checkOptions(options, ['split', 'metrics', 'confusion', ...INPUT_OPTION_NAMES, ...PASS_OPTION_NAMES], 'evaluate()');
  const split = requireOneOf(options.split ?? (data.hasParts ? 'val' : 'all'), 'split', ['train', 'val', 'all']);
  const asked = metricsOf(options.metrics);
  const confused = requireBoolean(options.confusion ?? false, 'confusion');
  const outputs = model.classes;
  if (confused) requireConfusable(outputs.length);
  requireRoom(asked, data.split(split).files.length, outputs.length);
  options.signal?.throwIfAborted();
  const listFiles = () => data.fileListFor(split, outputs);
  const probabilities = asked.some(needsScores);
  const parts = await passOver(model, listFiles, options, options, (request, token) =>
    model.handle.evaluate({ ...request, probabilities }, token),
  );
  const truth = data.truthFor(split, outputs);
  const tally = new Tally(truth);
  for (const part of parts) tally.add(part);
  const { counts } = tally;
  const { figures, notes } = await measureAsked(asked, tally, outputs);
  return {
    ...measure(counts),
    ...figures,
    split,
    perClass: perClass(data.classes, counts.classes),
    ...(confused && { confusion: confusionMatrix(parts, truth, data.classes, outputs) }),
    ...(notes.length > 0 && { notes }),
  };
}

function metricsOf(given: unknown): readonly MetricName[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw invalidArgument(`metrics must be an array of names, not ${describe(given)}.`);
  return given.map((name, index) => requireMetric(name, `metrics[${index}]`));
}
