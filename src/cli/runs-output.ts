import { basename, relative } from 'node:path';
import { figureOf, titleOf } from '../metrics/best.js';
import { isAlwaysTold } from '../metrics/registry.js';
import { shorten } from '../options.js';
import type { Difference } from '../report/differences.js';
import type { RunSummary } from '../report/read-run.js';
import { shown } from './metric-text.js';
import { percent, table } from './table.js';

/** Runs side by side: a row a run of its best epoch, then a row for whatever they were made with in different ways. */
export function describeRuns(runs: readonly RunSummary[], differences: readonly Difference[]): string {
  const names = namesOf(runs);
  const parts = [resultsOf(runs, names)];
  const failures = runs.flatMap(({ error }, i) =>
    error === null ? [] : [`${names[i]}: ${error.message} (${error.code})`],
  );
  if (failures.length > 0) parts.push(failures.join('\n'));
  if (differences.length > 0) {
    const rows = differences.map(({ name, values }) => [name, ...values.map(text)]);
    parts.push(table(['differs', ...names], rows));
  }
  return parts.join('\n\n');
}

function resultsOf(runs: readonly RunSummary[], names: readonly string[]): string {
  const more = [...new Set(runs.map(({ bestMetric }) => bestMetric))].filter((name) => !isAlwaysTold(name));
  const heading = [
    'run',
    'status',
    'epochs',
    'best',
    'top-1',
    'balanced',
    'loss',
    ...more.map(titleOf),
    'time',
    'img/s',
  ];
  const rows = runs.map((run, i) => {
    const { best, epochs, planned, seconds, imagesPerSecond, status } = run;
    return [
      names[i] ?? '',
      status,
      planned === null ? String(epochs.length) : `${epochs.length}/${planned}`,
      best === null ? '–' : String(best.epoch),
      best === null ? '–' : percent(best.top1),
      shown('balanced-accuracy', best?.balancedAccuracy),
      shown('loss', best?.loss),
      ...more.map((name) => shown(name, best === null ? null : figureOf(name, best))),
      `${seconds.toFixed(0)} s`,
      imagesPerSecond.toFixed(1),
    ];
  });
  return table(heading, rows, ['left', 'left', ...Array<'right'>(heading.length - 2).fill('right')]);
}

/** The last part of each path, or where two have the same one, the path from here. */
function namesOf(runs: readonly RunSummary[]): readonly string[] {
  const last = runs.map(({ path }) => basename(path));
  return runs.map(({ path }, i) =>
    last.indexOf(last[i] ?? '') === last.lastIndexOf(last[i] ?? '') ? (last[i] ?? '') : relative('.', path),
  );
}

/** Columns that a value may take. */
const WIDEST = 40;

function text(value: unknown): string {
  if (value === null || value === undefined) return '–';
  return shorten(typeof value === 'string' ? value : JSON.stringify(value), WIDEST);
}
