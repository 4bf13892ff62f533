import type { EpochEvent, ResultEvent, StartEvent, TrainingEvent } from '../training/events.js';
import type { Output } from './output.js';
import { grouped, percent, rate } from './table.js';

/** Tells people what a run tells, event by event. */
export function trainingTeller(output: Output): (event: TrainingEvent) => void {
  const run: Told = { stepsPerEpoch: 0, fills: false };
  return (event) => {
    if (event.type === 'start') {
      run.stepsPerEpoch = event.stepsPerEpoch;
      run.fills = event.cache !== null && event.cache.found < event.cache.entries;
    }
    showEvent(event, run, output);
    if (event.type === 'epoch' || event.type === 'cache') run.fills = false;
  };
}

/** What was told of a run, and how far it is: `fills` in the first epoch with a cache. */
interface Told {
  stepsPerEpoch: number;
  fills: boolean;
}

function showEvent(event: TrainingEvent, { stepsPerEpoch, fills }: Told, output: Output): void {
  switch (event.type) {
    case 'start':
      output.print(describeStart(event));
      return;
    case 'step': {
      const { epoch, step, steps, loss, imagesPerSecond } = event;
      // The last step of an epoch is followed by the evaluation, which has no events of its own.
      const doing = step % stepsPerEpoch === 0 ? '  validating' : '';
      const filling = fills ? '  filling the cache' : '';
      const detail = `loss ${loss.toFixed(4)}  ${imagesPerSecond.toFixed(1)} img/s${filling}${doing}`;
      output.progress(`epoch ${epoch}`, step, steps, detail, doing !== '');
      return;
    }
    case 'epoch':
      output.endProgress();
      output.print(describeEpoch(event));
      return;
    case 'skipped':
      output.note(`Left out ${event.path}: ${event.message}`);
      return;
    case 'cache':
      output.note(`The feature cache takes no more: ${event.message}. The run goes on, and computes the rest anew.`);
      return;
    case 'aborted':
      output.endProgress();
      output.note(describeAborted(event.epoch, event.step, event.checkpoint));
      return;
    case 'result':
      output.endProgress();
      output.print(describeResult(event));
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
    `${event.classes.length} classes, ${grouped(event.images.train)} images to train on, ${grouped(event.images.val)} to validate`,
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

/** Such as `epoch 2/10  train 0.4113  val 0.3525  top-1 91.50%  drift layer4 0.5%, head 12%  14.1 img/s  best`. */
function describeEpoch(event: EpochEvent): string {
  const { val, train } = event;
  return [
    `epoch ${event.epoch}/${event.epochs}`,
    `train ${train.loss.toFixed(4)}`,
    `val ${val.loss.toFixed(4)}`,
    `top-1 ${percent(val.top1)}`,
    ...(val.top5 === undefined ? [] : [`top-5 ${percent(val.top5)}`]),
    `drift ${describeDrift(event.drift)}`,
    `${event.imagesPerSecond.toFixed(1)} img/s`,
    ...waited(event.seconds),
    ...(event.best ? ['best'] : []),
  ].join('  ');
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

function describeResult(event: ResultEvent): string {
  const { best } = event;
  const fifth = best.top5 === undefined ? '' : `, top-5 ${percent(best.top5)}`;
  const lines = [
    `\nBest: epoch ${best.epoch}, top-1 ${percent(best.top1)}${fifth}, loss ${best.loss.toFixed(4)}; ` +
      `${event.seconds.toFixed(0)} s in all, ${event.imagesPerSecond.toFixed(1)} img/s`,
  ];
  if (event.skipped > 0) lines.push(`Files left out: ${event.skipped}`);
  if (event.out !== null) lines.push(`Results are in ${event.out}`);
  return lines.join('\n');
}
