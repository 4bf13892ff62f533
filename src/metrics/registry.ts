import { type AveragePrecision, averagePrecision } from './average-precision.js';
import { type BalancedAccuracy, balancedAccuracy } from './balanced-accuracy.js';
import { type Brier, brier } from './brier.js';
import { type CalibrationError, calibrationError } from './calibration-error.js';
import type { Counts } from './counts.js';
import { type F1Metrics, f1 } from './f1.js';
import { type Kappa, kappa } from './kappa.js';
import { type LogLoss, logLoss } from './log-loss.js';
import { type Loss, loss } from './loss.js';
import { type MatthewsCorrelation, mcc } from './mcc.js';
import type { CountMetric, Metric } from './metric.js';
import { type PrecisionMetrics, precision } from './precision.js';
import { type RecallMetrics, recall } from './recall.js';
import { type RocAuc, rocAuc, rocAucWeighted } from './roc-auc.js';
import { kOf, type TopK, topK } from './top-k.js';
import { type Top1, top1 } from './top1.js';
import { type Top5, top5 } from './top5.js';

/** The metrics that every evaluation tells, in this order: cheap, and made from counts alone. */
const ALWAYS = [loss, top1, top5, balancedAccuracy] as const;

/** Every metric, a row each; a top-k is made from its name. */
export const METRICS = [
  ...ALWAYS,
  ...precision,
  ...recall,
  ...f1,
  kappa,
  mcc,
  rocAuc,
  rocAucWeighted,
  averagePrecision,
  logLoss,
  brier,
  calibrationError,
] as const;

/** What options call a metric; `top3` and the like for any number. */
export type MetricName = (typeof METRICS)[number]['name'] | `top${number}`;

/** The names that have a row. */
export const METRIC_NAMES: readonly MetricName[] = METRICS.map(({ name }) => name);

/**
 * Figures over the images of a split. Those that are always there are not optional; of the others those that were asked for. `null`:
 * it says nothing of these images, and a note says why.
 */
export interface Metrics
  extends Loss,
    Top1,
    Top5,
    BalancedAccuracy,
    PrecisionMetrics,
    RecallMetrics,
    F1Metrics,
    Kappa,
    MatthewsCorrelation,
    RocAuc,
    AveragePrecision,
    LogLoss,
    Brier,
    CalibrationError,
    TopK {
  readonly images: number;
}

/** The row of a metric. */
export function metricOf(name: MetricName): Metric {
  const row = (METRICS as readonly Metric[]).find((metric) => metric.name === name);
  return row ?? topK(kOf(name) ?? 1);
}

/** Whether it is told of every evaluation. */
export function isAlwaysTold(name: MetricName): boolean {
  return ALWAYS.some((metric) => metric.name === name);
}

/** Whether it needs what the model gave every class. */
export function needsScores(name: MetricName): boolean {
  return metricOf(name).needs === 'scores';
}

/** What is known of batches in training: nothing by class, and no top-5. */
type TrainingCounts = Pick<Counts, 'images' | 'lossSum' | 'top1'>;

/** What is always told, as far as it can be made from some counts. */
export function measure(counts: Counts): Metrics;
export function measure(counts: TrainingCounts): Loss & Top1 & { readonly images: number };
export function measure(counts: TrainingCounts & Partial<Counts>): Loss & Top1 & { readonly images: number } {
  const figures: Record<string, number> = {};
  for (const metric of ALWAYS as readonly CountMetric[]) {
    if (metric.needs.some((name) => counts[name] === undefined)) continue;
    const known = counts as Counts;
    if (metric.saysNothing?.(known, String) === undefined) figures[metric.key] = metric.of(known);
  }
  return { ...(figures as unknown as Loss & Top1), images: counts.images };
}
