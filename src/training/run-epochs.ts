import { MEAN, STD } from '../data/transforms/spec.js';
import { ResnetTorchError } from '../errors.js';
import { isError } from '../kinds.js';
import { measureAsked } from '../metrics/ask.js';
import { areFinite, isBetter, isPatienceOver } from '../metrics/best.js';
import type { Evaluated } from '../metrics/counts.js';
import { isAlwaysTold, type Metrics, measure } from '../metrics/registry.js';
import { openTensors, type TransformMetadata } from '../model/weights/index.js';
import { describe } from '../options.js';
import { CheckpointWriter } from './checkpoint-writer.js';
import { type Changes, ChangingControl, groupsWith, type OnEpoch } from './epoch-control.js';
import { EpochLoop, type Workplace } from './epoch-loop.js';
import type { BestEpoch, EpochEvent, ResultEvent, StartEvent, TrainingEvent } from './events.js';
import type { Prepared } from './prepare.js';
import type { Progress } from './progress.js';
import type { RunCache } from './run-cache.js';
import type { RunDirectory } from './run-directory.js';
import { driftByUnit } from './session.js';
import { perSecond } from './speed.js';

/** A run that is ready to begin. */
export type ReadyRun = Prepared &
  Workplace & { readonly directory: RunDirectory | null; readonly onEpoch: OnEpoch | undefined };

/** From the first event to the result, which is written but left to the caller to tell of. */
export async function runEpochs(run: ReadyRun): Promise<ResultEvent> {
  const started = performance.now();
  const { gate, directory } = run;
  const loop = new EpochLoop(
    run,
    run.progress,
    directory === null ? null : new CheckpointWriter({ ...run, directory }),
  );
  await begin(run);
  try {
    await run.emit([startEvent(run), ...skippedBefore(run)]);
    while (!isOver(run, loop.progress) && !gate.aborted) await runEpoch(run, loop);
    // Told to stop when all was done, a run has ended as it should.
    if (!isOver(run, loop.progress)) return await abort(run, loop);
    await settle(run, loop);
    await restoreBest(run, loop.progress);
    const result = resultEvent(run, loop.progress, performance.now() - started);
    await directory?.append([result]);
    return result;
  } catch (error) {
    if (!(error instanceof Aborted)) {
      // What was learned before the failure is not lost with it, nor hides a failure to write it the failure itself.
      await loop.writer?.saveBest().catch(() => undefined);
      await settle(run, loop).catch(() => undefined);
      await tellFailure(run, loop.progress, error);
    }
    throw error instanceof Aborted || error instanceof CallbackFailed ? error.cause : error;
  } finally {
    loop.dispose();
  }
}

/** Carries the reason of an abortion, which may be any value, past what failures are told by. */
class Aborted extends Error {}

/** Carries what a callback threw, which may be any value. */
class CallbackFailed extends Error {}

function isOver({ settings }: ReadyRun, { epoch, changes, best }: Progress): boolean {
  return epoch >= settings.epochs || changes.stopped || isPatienceOver(settings.patience, epoch, best);
}

async function abort(run: ReadyRun, loop: EpochLoop): Promise<never> {
  const { progress, writer } = loop;
  await writer?.begin(progress);
  await settle(run, loop);
  const checkpoint = run.directory?.last.weights ?? null;
  await run.emit([{ type: 'aborted', epoch: progress.epoch + 1, step: progress.step, checkpoint }]);
  throw new Aborted('The run was aborted.', { cause: run.gate.reason });
}

/** Makes the run directory, or opens it where the run goes on. */
async function begin(run: ReadyRun): Promise<void> {
  const { directory, progress, model, settings } = run;
  if (run.resumed) await directory?.reopen((event) => isBehind(event, progress));
  else await directory?.create(run.config);
  model.learned({
    classes: run.classes,
    transform: transformOf(run),
    strategy: settings.strategy,
  });
}

/** Whether an event of a run that goes on lies before its checkpoint. */
function isBehind(event: TrainingEvent, progress: Progress): boolean {
  switch (event.type) {
    case 'start':
      return true;
    case 'step':
      return event.step <= progress.step;
    case 'epoch':
    case 'checkpoint':
      return event.epoch <= progress.epoch;
    case 'cache':
    case 'note':
      return event.step <= progress.step;
    case 'skipped':
      return progress.skipped.includes(event.path) || event.split === 'all';
    default:
      return false;
  }
}

/** Waits until all is on disk, and tells of it. */
async function settle(run: ReadyRun, { writer }: EpochLoop): Promise<void> {
  if (writer === null) return;
  await writer.settle();
  await run.emit(writer.news());
}

async function runEpoch(run: ReadyRun, loop: EpochLoop): Promise<void> {
  await loop.train();
  if (loop.progress.batch < run.stepsPerEpoch) return;
  const { images, lossSum, top1, ms, waitMs } = loop.progress.sums;
  if (images === 0) throw unreadable('train');
  const started = performance.now();
  const evaluated = await loop.evaluate();
  if (evaluated === null) return;
  if (evaluated.counts.images === 0) throw unreadable('val');
  const seconds = {
    train: ms / 1000,
    val: (performance.now() - started) / 1000,
    waiting: waitMs / 1000,
  };
  await endEpoch(run, loop, measure({ images, lossSum, top1 }), evaluated, seconds);
}

async function endEpoch(
  run: ReadyRun,
  loop: EpochLoop,
  train: EpochEvent['train'],
  evaluated: Evaluated,
  seconds: EpochEvent['seconds'],
): Promise<void> {
  const { progress, writer } = loop;
  const val = await measureEpoch(run, evaluated);
  const epoch = progress.epoch + 1;
  if (!areFinite(val)) throw notFinite(run, epoch, val.loss, progress.best);
  const { images: _, ...figures } = val;
  const last: BestEpoch = { epoch, ...figures };
  const best = isBetter(val, progress.best, run.settings.bestMetric);
  const event: EpochEvent = {
    type: 'epoch',
    epoch,
    epochs: run.settings.epochs,
    step: progress.step,
    train,
    val,
    drift: driftByUnit(run.model.units(), await run.session.drift()),
    best,
    cache: run.cache.figures(),
    seconds,
    imagesPerSecond: perSecond(train.images, progress.sums.ms),
  };
  await run.emit([event]);
  if (best) await keepBest(run, loop, last);
  const changes = await askCallback(run, loop, event);
  if (changes === null) return;
  loop.endEpoch({ last, best, changes });
  if (writer === null) return;
  if (writer.due || isOver(run, loop.progress)) await writer.begin(loop.progress);
  else await writer.keep();
}

/** What is always told, and what the best epoch is chosen by. */
async function measureEpoch({ settings, classes }: ReadyRun, evaluated: Evaluated): Promise<Metrics> {
  const { bestMetric } = settings;
  const always = measure(evaluated.counts);
  if (isAlwaysTold(bestMetric)) return always;
  const { figures, notes } = await measureAsked([bestMetric], evaluated, classes);
  const [note] = notes;
  // Before training it said something: then images of a class were left out since.
  if (note !== undefined)
    throw new ResnetTorchError('ERR_DATASET', `The best epoch cannot be chosen: ${note.message}.`);
  const { images, ...told } = always;
  return { ...told, ...figures, images };
}

/** Without a directory to write them to, the best weights stay in memory where the model is to end with them. */
async function keepBest(
  { session, settings }: ReadyRun,
  { writer, progress }: EpochLoop,
  best: BestEpoch,
): Promise<void> {
  if (writer !== null) writer.found(best, progress.step);
  else if (settings.patience !== null) await session.keepWeights();
}

/** With `patience` the model ends with the best weights, all files being written. */
async function restoreBest({ model, session, settings, directory }: ReadyRun, { best, last }: Progress): Promise<void> {
  if (settings.patience === null || best === null || best.epoch === last?.epoch) return;
  if (directory === null) return session.restoreWeights();
  const { path, tensors } = await openTensors(directory.best);
  await model.handle.load(path, [...tensors.values()]);
}

/**
 * Lets the callback change the rest of the run; answers all changes so far. Null where the run was aborted meanwhile: the epoch
 * is not over then.
 */
async function askCallback(run: ReadyRun, loop: EpochLoop, event: EpochEvent): Promise<Changes | null> {
  const { onEpoch, settings, gate } = run;
  const { progress } = loop;
  if (onEpoch === undefined) return progress.changes;
  const control = new ChangingControl(settings.groups, progress.changes, event.epoch);
  try {
    const settled = await gate.wait((async () => onEpoch(event, control))());
    return settled ? control.close() : null;
  } catch (cause) {
    await loop.writer?.begin(progress).catch(() => undefined);
    throw new CallbackFailed('The callback of an epoch failed.', { cause });
  } finally {
    control.close();
  }
}

/** The last line of a run that failed. A failure to write it must not hide the failure itself. */
async function tellFailure(run: ReadyRun, progress: Progress, failure: unknown): Promise<void> {
  const ofCallback = failure instanceof CallbackFailed;
  const error: unknown = ofCallback ? failure.cause : failure;
  const code = error instanceof ResnetTorchError ? error.code : ofCallback ? 'ERR_CALLBACK' : 'ERR_INTERNAL';
  const message = isError(error) ? error.message : typeof error === 'string' ? error : describe(error);
  const epoch = Math.min(progress.epoch + 1, run.settings.epochs);
  await run.emit([{ type: 'error', code, message, epoch, step: progress.step }]).catch(() => undefined);
}

function unreadable(split: string): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_DATASET',
    `No image of the split ${split} could be read; the skipped events say why.`,
  );
}

/** Such weights are of no use, though they may give a top-1: none of them become the best ones. */
function notFinite({ directory }: ReadyRun, epoch: number, loss: number, best: BestEpoch | null): ResnetTorchError {
  const saved =
    best === null || directory === null
      ? 'No epoch before it is saved.'
      : `The best epoch before it, ${best.epoch}, is in ${directory.best}.`;
  return new ResnetTorchError(
    'ERR_NON_FINITE',
    `Epoch ${epoch}, validation: the loss is ${loss}, which is not a finite number. ${saved} Lower the learning rate ` +
      '(--lr), or use another precision (--precision fp32).',
  );
}

function transformOf({ settings }: Pick<ReadyRun, 'settings'>): TransformMetadata {
  return {
    imageSize: settings.imageSize,
    resize: settings.resize,
    mean: MEAN,
    std: STD,
  };
}

function startEvent(run: ReadyRun): StartEvent {
  const { settings, model, progress, directory } = run;
  const sizes = new Map(model.units().flatMap(({ parameters }) => parameters.map(({ name, size }) => [name, size])));
  const sizeOf = (names: Iterable<string>) => [...names].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  const groups = groupsWith(settings.groups, progress.changes).map(({ name, lr, weightDecay, parameters }) => ({
    name,
    lr,
    weightDecay,
    parameters: sizeOf(parameters),
  }));
  return {
    type: 'start',
    strategy: settings.strategy,
    classes: run.classes,
    images: run.images,
    notes: run.notes,
    epochs: settings.epochs,
    stepsPerEpoch: run.stepsPerEpoch,
    steps: settings.epochs * run.stepsPerEpoch,
    batchSize: settings.batchSize,
    imageSize: settings.imageSize,
    resize: settings.resize,
    seed: settings.seed,
    device: model.device,
    precision: settings.precision,
    lossScale: settings.lossScale,
    bestMetric: settings.bestMetric,
    ...(settings.patience !== null && { patience: settings.patience }),
    imageCache: run.cachePlan,
    optimizer: settings.optimizer.kind,
    parameters: sizeOf(sizes.keys()),
    trainable: groups.reduce((sum, { parameters }) => sum + parameters, 0),
    frozenPrefixUnits: settings.frozenPrefixUnits,
    groups,
    cache: describeCache(run.cache),
    cacheNote: run.cache.note,
    out: directory?.path ?? null,
    resumedAt: run.resumed
      ? {
          epoch: Math.min(progress.epoch + 1, settings.epochs),
          step: progress.step,
        }
      : null,
  };
}

function describeCache({ plan, path, found }: RunCache): StartEvent['cache'] {
  if (plan === null) return null;
  const { mode, views, entries, bytes } = plan;
  return { mode, views, entries, bytes, found, path };
}

/** What was left out when the data set was opened; a run that goes on has told it before. */
function skippedBefore(run: ReadyRun): readonly TrainingEvent[] {
  if (run.resumed) return [];
  return run.config.data.skipped.map(({ path, message }) => ({
    type: 'skipped',
    split: 'all',
    path,
    message,
  }));
}

function resultEvent(run: ReadyRun, progress: Progress, milliseconds: number): ResultEvent {
  const { best, last } = progress;
  if (best === null || last === null) throw new ResnetTorchError('ERR_INTERNAL', 'A run ended without an epoch.');
  return {
    type: 'result',
    best,
    last,
    epochs: progress.epoch,
    steps: progress.step,
    skipped: progress.skipped.length + run.config.data.skipped.length,
    seconds: milliseconds / 1000,
    imagesPerSecond: perSecond(progress.trained.images, progress.trained.ms),
    out: run.directory?.path ?? null,
    stopped: progress.epoch < run.settings.epochs,
    checkpoint: run.directory?.best ?? null,
  };
}
