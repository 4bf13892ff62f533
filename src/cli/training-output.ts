import { quoted } from '../data/quoted.js';
import { type BestMetric, DEFAULT_BEST_METRIC, figureOf, titleOf } from '../metrics/best.js';
import type { Metrics } from '../metrics/registry.js';
import type { EpochEvent, ResultEvent, StartEvent, TrainingEvent } from '../training/events.js';
import { shown } from './metric-text.js';
import type { Output } from './output.js';
import { grouped, percent, rate } from './table.js';
import { tellNotes } from './tell-notes.js';
import { follow, type TrainingView, UNSEEN } from './training-view.js';

/** Tells people what a run tells, event by event. */
export function trainingTeller(output: Output): (event: TrainingEvent) => void {
  let view = UNSEEN;
  return (event) => {
    view = follow(view, event);
    showEvent(event, view, output);
  };
}

function showEvent(event: TrainingEvent, view: TrainingView, output: Output): void {
  const { bar, bestMetric, notes } = view;
  switch (event.type) {
    case 'start':
      output.print(describeStart(event));
      return;
    case 'step':
      if (bar !== null) output.progress(bar.task, bar.done, bar.total, bar.detail, bar.must);
      return;
    case 'epoch':
      output.endProgress();
      output.print(describeEpoch(event, bestMetric));
      return;
    case 'skipped':
      output.note(`Left out ${event.path}: ${event.message}`);
      return;
    case 'cache':
      output.note(`The feature cache takes no more: ${event.message}. The run goes on, and computes the rest anew.`);
      return;
    case 'note':
      output.note(`Note: ${event.message}`);
      return;
    case 'aborted':
      output.endProgress();
      output.note(describeAborted(event.epoch, event.step, event.checkpoint));
      return;
    case 'result':
      output.endProgress();
      output.print(describeResult(event, view));
      tellNotes(notes, output);
      return;
    // Checkpoints are named by the result, and an error is printed as what the command ends with.
    case 'checkpoint':
    case 'error':
      return;
  }
}

function describeStart(event: StartEvent): string {
  const rates = event.groups.map(({ name, lr }) => `${name} ${rate(lr)}`).join(', ');
  const scale = event.lossScale === null ? '' : ` (loss scale ${event.lossScale})`;
  const lines = [
    `${event.classes.length} classes (${quoted(event.classes)}), ${grouped(event.images.train)} images to train on, ${grouped(event.images.val)} to validate`,
    `${event.strategy}: ${grouped(event.trainable)} of ${grouped(event.parameters)} parameters train; ${event.optimizer}, rates: ${rates}`,
    `${event.epochs} epochs of ${event.stepsPerEpoch} steps, batch ${event.batchSize}, ` +
      `${event.imageSize}×${event.imageSize} px, ${event.precision}${scale} on ${event.device}`,
  ];
  if (event.frozenPrefixUnits > 0) lines.push(event.cacheNote);
  if (event.imageCache !== null) {
    const { images, bytes, limit } = event.imageCache;
    const all = event.images.train + event.images.val;
    lines.push(
      `decoded images stay in memory: ${images === all ? 'all' : `up to ${grouped(images)} of`} ${grouped(all)}, ` +
        `${megabytes(bytes)} of at most ${megabytes(limit)}`,
    );
  }
  if (event.resumedAt !== null) lines.push(`continued after step ${event.resumedAt.step} of ${event.steps}`);
  return lines.join('\n');
}

function megabytes(bytes: number): string {
  return `${grouped(Math.ceil(bytes / 1e6))} MB`;
}

/** Metrics of every run that lines tell. */
const TOLD: readonly BestMetric[] = ['top1', 'top5', 'loss'];

/** Columns of a terminal that nobody has made wider. */
const COLUMNS = 80;

/** Such as `epoch 2/10  train 0.4113  val 0.3525  top-1 91.50%  best  14.1 img/s`. */
function describeEpoch(event: EpochEvent, bestMetric: BestMetric): string {
  const { val, train } = event;
  const accuracy =
    val.top5 == null ? `top-1 ${percent(val.top1)}` : `top-1/5 ${percent(val.top1)}/${percent(val.top5)}`;
  return inColumns([
    `epoch ${event.epoch}/${event.epochs}`,
    `train ${figure(train.loss)}`,
    `val ${figure(val.loss)}`,
    accuracy,
    ...chosenBy(val, bestMetric),
    ...(event.best ? ['best'] : []),
    speed(event.imagesPerSecond),
    ...waited(event.seconds),
  ]);
}

/** The figure that the best epoch is chosen by, where it is none of those that are told anyway. */
function chosenBy(figures: Partial<Metrics>, bestMetric: BestMetric): readonly string[] {
  if (TOLD.includes(bestMetric)) return [];
  return [`${titleOf(bestMetric)} ${shown(bestMetric, figureOf(bestMetric, figures))}`];
}

/** Parts with two spaces between them, on a further line that is set in where a line would grow too long. */
function inColumns(parts: readonly string[]): string {
  const lines: string[] = [];
  for (const part of parts) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 2 + part.length <= COLUMNS) lines[lines.length - 1] = `${line}  ${part}`;
    else lines.push(line === undefined ? part : `  ${part}`);
  }
  return lines.join('\n');
}

/** A loss in few characters, however large. */
function figure(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(4) : value.toPrecision(5);
}

function speed(imagesPerSecond: number): string {
  return `${imagesPerSecond < 100 ? imagesPerSecond.toFixed(1) : Math.round(imagesPerSecond)} img/s`;
}

/** Where it is a twentieth of the time or more: then more workers, or smaller files, would make the run faster. */
function waited({ train, waiting }: EpochEvent['seconds']): readonly string[] {
  return waiting > 0 && waiting >= train / 20 ? [`waited ${waiting.toFixed(1)} s for images`] : [];
}

/** The unit of the backbone that moved most, and the head: where forgetting shows, and where learning does. */
export function describeDrift(drift: EpochEvent['drift']): string {
  const { head, ...backbone } = drift;
  const [unit, most] = Object.entries(backbone).reduce((a, b) => (b[1] > a[1] ? b : a));
  const parts = most > 0 ? [`${unit} ${share(most)}`] : [];
  return [...parts, `head ${share(head)}`].join(', ');
}

function share(value: number): string {
  return `${Number((value * 100).toPrecision(2))}%`;
}

function describeAborted(epoch: number, step: number, checkpoint: string | null): string {
  const kept = checkpoint === null ? '' : `; what it had learned is in ${checkpoint}`;
  return `Stopped in epoch ${epoch}, after step ${step}${kept}.`;
}

function describeResult(event: ResultEvent, { bestMetric, patience, drift }: TrainingView): string {
  const { best } = event;
  const fifth = best.top5 == null ? '' : `, top-5 ${percent(best.top5)}`;
  const chosen = chosenBy(best, bestMetric).map((text) => `, ${text}`);
  const by = bestMetric === DEFAULT_BEST_METRIC ? '' : ` by ${titleOf(bestMetric)}`;
  const lines = [
    `\nBest${by}: epoch ${best.epoch}, top-1 ${percent(best.top1)}${fifth}${chosen.join('')}, loss ${figure(best.loss)}; ` +
      `${event.seconds.toFixed(0)} s in all, ${event.imagesPerSecond.toFixed(1)} img/s`,
  ];
  if (drift !== null) lines.push(`Moved since the start: ${describeDrift(drift)}`);
  if (event.stopped && patience !== undefined && event.epochs - best.epoch >= patience) {
    lines.push(`Ended after epoch ${event.epochs}: ${patience} in a row were not better (--patience)`);
  }
  if (event.skipped > 0) lines.push(`Files left out: ${event.skipped}`);
  if (event.out !== null) lines.push(`Results are in ${event.out}`);
  return lines.join('\n');
}
