import { invalidArgument } from '../options.js';
import { reasonAgainst, requireMetric } from './ask.js';
import type { Metric, Population } from './metric.js';
import { type MetricName, type Metrics, metricOf } from './registry.js';

/** What the best epoch is chosen by. */
export type BestMetric = MetricName;

export const DEFAULT_BEST_METRIC = 'top1' satisfies BestMetric;

/** Figures of an epoch; one that was not told counts as one that is no number. */
type Figures = Partial<Metrics>;

/**
 * Whether `a` is better than `b`: by the metric, and among equals by a lower loss. Figures that are not finite are worse
 * than any, and no better than others of their kind, so that of equal epochs the first stays the best.
 */
export function isBetter(a: Figures, b: Figures | null, by: BestMetric): boolean {
  const row = metricOf(by);
  if (!isComparable(a, row)) return false;
  if (b === null || !isComparable(b, row)) return true;
  const [own, other] = [figureIn(a, row), figureIn(b, row)];
  if (own !== other) return row.better === 'higher' ? own > other : own < other;
  return (a.loss ?? Number.NaN) < (b.loss ?? Number.NaN);
}

function isComparable(figures: Figures, row: Metric): boolean {
  return Number.isFinite(figureIn(figures, row)) && Number.isFinite(figures.loss);
}

/** Whether all figures are numbers that can be compared. */
export function areFinite(figures: Metrics): boolean {
  return Object.values(figures).every((value) => Number.isFinite(value));
}

/**
 * Whether a run has gone on for long enough without a better epoch, as Keras' `EarlyStopping` counts it.
 *
 * @param patience epochs since the best, or null for never
 */
export function isPatienceOver(
  patience: number | null,
  epochs: number,
  best: { readonly epoch: number } | null,
): boolean {
  return patience !== null && best !== null && epochs - best.epoch >= patience;
}

/**
 * @param of the validation images, as far as they are known
 * @param outputs of the model, by name, where the images are known
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for what is no metric, or says nothing of such images
 */
export function requireBestMetric(value: unknown, of: Population, outputs: readonly string[] = []): BestMetric {
  const name = requireMetric(value ?? DEFAULT_BEST_METRIC, 'bestMetric');
  const reason = reasonAgainst(name, of, outputs);
  if (reason === undefined) return name;
  throw invalidArgument(`bestMetric (--best-metric) cannot be ${name}: ${reason}.`);
}

/** What people read. */
export function titleOf(by: BestMetric): string {
  return metricOf(by).title;
}

/** The figure that is compared. */
export function figureOf(by: BestMetric, figures: Figures): number | undefined {
  const value = figureIn(figures, metricOf(by));
  return Number.isNaN(value) ? undefined : value;
}

function figureIn(figures: Figures, { key }: Metric): number {
  return (figures as Readonly<Record<string, number | null | undefined>>)[key] ?? Number.NaN;
}
