import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Note } from '../notes.js';
import { describe, invalidArgument, nearest } from '../options.js';
import type { Evaluated } from './counts.js';
import type { Population } from './metric.js';
import { METRIC_NAMES, type MetricName, type Metrics, metricOf, needsScores } from './registry.js';
import { MOST_SCORE_BYTES } from './scores.js';
import { kOf } from './top-k.js';

/** What can be named, in words. */
export const KNOWN_METRICS = `${METRIC_NAMES.join(', ')}, or top and a number, such as top3`;

/**
 * A metric that there is.
 *
 * @param option in messages
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the nearest
 */
export function requireMetric(value: unknown, option: string): MetricName {
  if (typeof value === 'string' && isMetric(value)) return value;
  const near = typeof value === 'string' ? nearestMetric(value) : undefined;
  const help = near === undefined ? '' : ` Did you mean ${near}?`;
  throw invalidArgument(`${option} cannot be ${describe(value)}: it is one of ${KNOWN_METRICS}.${help}`);
}

function isMetric(name: string): name is MetricName {
  return (METRIC_NAMES as readonly string[]).includes(name) || kOf(name) !== undefined;
}

/** `f1` and `precision` are three each. */
function nearestMetric(word: string): string | undefined {
  const plain = word.toLowerCase();
  return nearest(word, METRIC_NAMES) ?? METRIC_NAMES.find((name) => plain !== '' && name.startsWith(`${plain}-`));
}

/**
 * Why a metric says nothing of some images; `undefined` where it does.
 *
 * @param outputs of the model, by name
 */
export function reasonAgainst(name: MetricName, of: Population, outputs: readonly string[]): string | undefined {
  return metricOf(name).saysNothing?.(of, (output) => outputs[output] ?? `output ${output}`);
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` where what the metrics need of so many images would not fit in memory */
export function requireRoom(names: readonly MetricName[], images: number, outputs: number): void {
  const hungry = names.find(needsScores);
  const bytes = images * outputs * Float32Array.BYTES_PER_ELEMENT;
  if (hungry === undefined || bytes <= MOST_SCORE_BYTES) return;
  const gigabytes = (value: number) => (value / 2 ** 30).toFixed(1);
  throw invalidArgument(
    `${hungry} needs the probabilities of ${images} images and ${outputs} classes, ${gigabytes(bytes)} GiB, and may have ` +
      `${gigabytes(MOST_SCORE_BYTES)}. Evaluate on fewer images, or by a metric of counts, such as f1-macro.`,
  );
}

/** Figures that were asked for. */
export interface Asked {
  /** By their keys; null where one says nothing of these images. */
  readonly figures: Partial<Metrics>;
  /** Why, of each null. */
  readonly notes: readonly Note[];
}

/** How long others may be kept waiting, milliseconds. */
const TURN_MS = 5;

/**
 * The figures of some names, in their order.
 *
 * @param of with the scores of every image where one of the names needs them
 * @param outputs of the model, by name
 */
export async function measureAsked(
  names: readonly MetricName[],
  { counts, scores }: Evaluated,
  outputs: readonly string[],
): Promise<Asked> {
  const figures: Record<string, number | null> = {};
  const notes: Note[] = [];
  for (const name of new Set(names)) {
    const metric = metricOf(name);
    const reason = reasonAgainst(name, counts, outputs);
    if (reason !== undefined) {
      figures[metric.key] = null;
      notes.push({ code: 'metric-says-nothing', message: `${name} is left empty: ${reason}` });
    } else {
      figures[metric.key] = metric.needs === 'scores' ? await inTurns(metric.of(scores)) : metric.of(counts);
    }
  }
  return { figures, notes };
}

/** Runs to the end, giving others their turn on the way. */
async function inTurns<T>(work: Generator<void, T>): Promise<T> {
  for (let since = performance.now(); ; ) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - since < TURN_MS) continue;
    await nextTurn();
    since = performance.now();
  }
}
