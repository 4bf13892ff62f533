import type { EvaluationResult } from '../inference/evaluate.js';
import type { ConfusionMatrix } from '../metrics/confusion.js';
import type { ClassResult } from '../metrics/per-class.js';
import { isAlwaysTold, type MetricName, metricOf } from '../metrics/registry.js';
import { csvRow } from './csv.js';
import { shown } from './metric-text.js';
import { percent, table } from './table.js';

/**
 * What people read of an evaluation: a table of classes, a line of what is always told, and lines of what was asked for.
 *
 * @param asked as they were named
 */
export function describeEvaluation(result: EvaluationResult, asked: readonly MetricName[]): string {
  const { images, split, top1, top5, balancedAccuracy, loss } = result;
  const fifth = top5 == null ? '' : `, top-5 ${percent(top5)}`;
  const line = `${images} images (${split}): top-1 ${percent(top1)}${fifth}, balanced accuracy ${percent(balancedAccuracy)}, loss ${loss.toFixed(4)}`;
  const more = [...new Set(asked)].filter((name) => !isAlwaysTold(name));
  return [tableOfClasses(result.perClass), '', line, ...more.map((name) => describeFigure(name, result))].join('\n');
}

function tableOfClasses(classes: readonly ClassResult[]): string {
  const rows = classes.map(({ name, images, precision, recall, f1 }) => {
    const figures = images === 0 ? [recall, f1].map(() => '–') : [recall, f1].map(percent);
    return [name, String(images), percent(precision), ...figures];
  });
  return table(['class', 'images', 'precision', 'recall', 'F1'], rows, ['left', 'right', 'right', 'right', 'right']);
}

function describeFigure(name: MetricName, result: EvaluationResult): string {
  const { key, title } = metricOf(name);
  return `${title} ${shown(name, (result as unknown as Readonly<Record<string, number | null>>)[key])}`;
}

/** A heading of what images were taken for, and a row a class that they are of. */
export function confusionCsv({ labels, counts }: ConfusionMatrix): string {
  const rows = counts.map((row, label) => csvRow([labels[label] ?? '', ...row]));
  return [csvRow(['class', ...labels]), ...rows].join('');
}
