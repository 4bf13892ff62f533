import type { Dataset, Split } from '../data/dataset.js';
import { openLoader } from '../data/loader.js';
import { viewSpec } from '../data/transforms/spec.js';
import { ResnetTorchError } from '../errors.js';
import { nativeLoss } from '../losses/registry.js';
import { requireRoom } from '../metrics/ask.js';
import { requireBestMetric } from '../metrics/best.js';
import type { Truth } from '../metrics/counts.js';
import type { ResNet } from '../model/network.js';
import { computeOf } from '../model/precision.js';
import type { NativeFileList, NativeImageCache } from '../native/contract/data.js';
import type { Compute } from '../native/contract/model.js';
import type { NativeSession } from '../native/contract/session.js';
import { native } from '../native/load.js';
import type { Note } from '../notes.js';
import { buildSchedule, type Schedule } from '../optim/schedules.js';
import { invalidArgument } from '../options.js';
import { openLast } from './checkpoint.js';
import type { ImageCachePlan } from './events.js';
import { trainingCounts } from './loss.js';
import { nativeLossScale } from './loss-scale.js';
import { type Phases, phasesOf } from './phases.js';
import { BEGINNING, type Progress } from './progress.js';
import { RunCache } from './run-cache.js';
import { checkConfig, describeRun, type RunConfig } from './run-config.js';
import type { RunDirectory } from './run-directory.js';
import { freezeNotes, notesOf } from './run-notes.js';
import { searchedBatch } from './searched-batch.js';
import { type RunConditions, type RunSettings, settingsOfRun } from './settings.js';

/** All that a run needs, checked and made, with nothing written yet. */
export interface Prepared {
  readonly settings: RunSettings;
  readonly config: RunConfig;
  /** Class names in the order of the model's outputs. */
  readonly classes: readonly string[];
  readonly notes: readonly Note[];
  readonly files: {
    readonly train: NativeFileList;
    readonly val: NativeFileList;
  };
  readonly images: { readonly train: number; readonly val: number };
  /** Of the validation images. */
  readonly truth: Truth;
  /** Where decoded images stay, and what may be in it at most; null where they are to be decoded each time. */
  readonly imageCache: NativeImageCache | null;
  readonly cachePlan: ImageCachePlan | null;
  readonly session: NativeSession;
  readonly compute: Compute;
  readonly phases: Phases;
  readonly stepsPerEpoch: number;
  readonly cache: RunCache;
  readonly resumed: boolean;
  readonly progress: Progress;
}

export interface Preparation {
  readonly model: ResNet;
  readonly data: Dataset;
  readonly conditions: RunConditions;
  /** Null for a run that is continued: its own settings are read. */
  readonly settings: RunSettings | null;
  readonly directory: RunDirectory | null;
  /** Gets what is to be disposed of at the end of the run, however it ends. */
  readonly held: { dispose(): void }[];
}

/** Finds every fault that can be seen before training. */
export async function prepare(o: Preparation): Promise<Prepared> {
  const { model, data, conditions, directory } = o;
  const classes = classesFor(model, data);
  const frozen = o.settings === null ? [] : freezeNotes(model, o.settings);
  const notes = [...notesOf(model, data, directory), ...frozen];
  const hold = <T extends { dispose(): void }>(handle: T): T => {
    o.held.push(handle);
    return handle;
  };
  const files = {
    train: hold(await data.fileListFor('train', classes)),
    val: hold(await data.fileListFor('val', classes)),
  };
  let config: RunConfig;
  let resumedFrom: Awaited<ReturnType<typeof openLast>> | null = null;
  if (o.settings === null && directory !== null) {
    config = await checkConfig(await directory.readConfig(), directory.path, model, classes, data);
    resumedFrom = await openLast(directory);
  } else {
    config = await describeRun(o.settings as RunSettings, model, classes, data, notes);
  }
  const settings = o.settings ?? settingsOfRun(config.settings);
  refuseSingleValues(settings, data.split('train').files.length);
  const truth = data.truthFor('val', classes);
  refuseBestMetric(settings, data.split('val'), truth, classes);
  const compute = computeOf(settings.precision);
  const stepsPerEpoch = countSteps(files.train, settings);
  const progress = resumedFrom?.progress ?? BEGINNING;
  const session = hold(
    new (native().Session)(model.handle, {
      groups: settings.groups.map(({ name, parameters, weightDecay }) => ({
        name,
        parameters,
        weightDecay,
      })),
      optimizer: settings.optimizer,
      loss: nativeLoss(settings.loss, classes, trainingCounts(data)),
      ...(settings.clipNorm === null ? {} : { clipNorm: settings.clipNorm }),
      batchNormTraining: settings.batchNormTraining,
      compute,
      ...nativeLossScale(settings.lossScale),
      cudaGraph: conditions.cudaGraph,
      searchedBatch: searchedBatch(model, settings, settings.epochs * stepsPerEpoch - progress.step),
      seed: settings.seed,
    }),
  );
  await resumedFrom?.load(model, session);
  const images = { train: data.split('train').files.length, val: data.split('val').files.length };
  const imageCache = conditions.cacheImages ? hold(new (native().ImageCache)(null)) : null;
  return {
    settings,
    config,
    classes,
    notes,
    files,
    images,
    truth,
    imageCache,
    cachePlan: imageCache === null ? null : planImageCache(imageCache, data, settings),
    session,
    compute,
    phases: phasesOf(settings, scheduleOf(settings, conditions.schedule, stepsPerEpoch)),
    stepsPerEpoch,
    cache: await RunCache.open(model, settings, images),
    resumed: resumedFrom !== null,
    progress,
  };
}

/** Five halvings leave one position of an image of this side. */
const ONE_POSITION = 32;

/**
 * BatchNorm cannot take statistics of one value a channel. A last batch of one image is merged into the one before, so this
 * is about runs that have no larger batch.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
function refuseSingleValues({ imageSize, batchSize, batchNormTraining }: RunSettings, images: number): void {
  if (batchNormTraining.length === 0 || imageSize > ONE_POSITION || Math.min(batchSize, images) > 1) return;
  throw invalidArgument(
    `Batches of one image of ${imageSize}×${imageSize} pixels leave BatchNorm one value per channel (PyTorch: "Expected more ` +
      'than 1 value per channel when training"). Train with --batch-size 2 or more (batchSize), a larger --image-size ' +
      '(imageSize), or with BatchNorm as it is, --batch-norm eval (batchNorm).',
  );
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` where the validation images leave nothing to choose the best epoch by */
function refuseBestMetric(
  { bestMetric }: RunSettings,
  { counts, files }: Pick<Split, 'counts' | 'files'>,
  { classOfOutput }: Truth,
  classes: readonly string[],
): void {
  const imagesOfOutputs = classOfOutput.map((label) => counts[label] ?? 0);
  requireBestMetric(bestMetric, { outputs: classes.length, imagesOfOutputs }, classes);
  requireRoom([bestMetric], files.length, classes.length);
}

/** A model that was made for a number of classes takes the data set's names. */
function classesFor(model: ResNet, data: Dataset): readonly string[] {
  if (model.classesAreNamed) return model.classes;
  if (model.head.classes === data.classes.length) return data.classes;
  throw new ResnetTorchError(
    'ERR_DATASET',
    `${data.path} has ${data.classes.length} classes and the model ${model.head.classes} outputs. ` +
      'Make the model with classes: data.classes.',
  );
}

/** What the images of both splits may take, the training images first. */
function planImageCache(cache: NativeImageCache, data: Dataset, settings: RunSettings): ImageCachePlan {
  const crop = (augment: RunSettings['augment']) => viewSpec(augment, settings.imageSize, settings.resize).crop;
  const train = cache.plan(data.imageSizes('train'), crop(settings.augment), 0);
  const val = cache.plan(data.imageSizes('val'), crop('none'), train.bytes);
  return { images: train.images + val.images, bytes: train.bytes + val.bytes, limit: cache.limit };
}

/** Batches of an epoch, as the loader makes them. */
function countSteps(files: NativeFileList, settings: RunSettings): number {
  const loader = openLoader({
    files,
    ...viewSpec(settings.augment, settings.imageSize, settings.resize),
    batchSize: settings.batchSize,
    epoch: 0,
    seed: settings.seed,
    training: true,
  });
  try {
    return loader.batches;
  } finally {
    loader.dispose();
  }
}

function scheduleOf(settings: RunSettings, given: Schedule | undefined, stepsPerEpoch: number): Schedule {
  if (settings.schedule.kind !== 'custom') {
    if (given === undefined) return buildSchedule(settings.schedule, stepsPerEpoch);
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      'The run that is continued has a schedule of its own. Leave schedule out.',
    );
  }
  if (given !== undefined) return given;
  throw new ResnetTorchError(
    'ERR_INVALID_ARGUMENT',
    'The run that is continued has a schedule that is a function. Give the same function as schedule.',
  );
}
