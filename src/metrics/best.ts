import { invalidArgument, requireOneOf } from '../options.js';
import type { Metric } from './metric.js';
import { METRICS, type Metrics } from './registry.js';

/** What the best epoch is chosen by. */
export type BestMetric = (typeof METRICS)[number]['name'];

export const BEST_METRICS: readonly BestMetric[] = METRICS.map(({ name }) => name);

export const DEFAULT_BEST_METRIC = 'top1' satisfies BestMetric;

/** Figures of an epoch; one that was not told counts as one that is no number. */
type Figures = Partial<Metrics>;

/**
 * Whether `a` is better than `b`: by the metric, and among equals by a lower loss. Figures that are not finite are worse
 * than any, and no better than others of their kind, so that of equal epochs the first stays the best.
 */
export function isBetter(a: Figures, b: Figures | null, by: BestMetric): boolean {
  const { key, better } = rowOf(by);
  if (!isComparable(a, key)) return false;
  if (b === null || !isComparable(b, key)) return true;
  const [own, other] = [a[key] ?? Number.NaN, b[key] ?? Number.NaN];
  if (own !== other) return better === 'higher' ? own > other : own < other;
  return (a.loss ?? Number.NaN) < (b.loss ?? Number.NaN);
}

function isComparable(figures: Figures, key: keyof Metrics): boolean {
  return Number.isFinite(figures[key]) && Number.isFinite(figures.loss);
}

/** Whether all figures are numbers that can be compared. */
export function areFinite(figures: Metrics): boolean {
  return Object.values(figures).every((value) => Number.isFinite(value));
}

/**
 * @param outputs of the model
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for what is no metric, or says nothing of so few outputs
 */
export function requireBestMetric(value: unknown, outputs: number): BestMetric {
  const name = requireOneOf(value ?? DEFAULT_BEST_METRIC, 'bestMetric', BEST_METRICS);
  const none = { images: 0, lossSum: 0, top1: 0, top5: 0, outputs, classes: [] };
  if (rowOf(name).of(none) !== undefined) return name;
  throw invalidArgument(
    `bestMetric (--best-metric) cannot be ${name}, which says nothing of ${outputs} classes. Choose another of ${BEST_METRICS.join(', ')}.`,
  );
}

/** What people read. */
export function titleOf(by: BestMetric): string {
  return rowOf(by).title;
}

/** The figure that is compared. */
export function figureOf(by: BestMetric, figures: Figures): number | undefined {
  return figures[rowOf(by).key];
}

function rowOf(by: BestMetric): Metric<keyof Metrics> {
  return (METRICS as readonly Metric<keyof Metrics>[]).find(({ name }) => name === by) ?? METRICS[0];
}
