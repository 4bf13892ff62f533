import { join } from 'node:path';
import type { CreateOptions } from '../../src/model/create.js';
import type { TrainOptions } from '../../src/training/options.js';
import { type Case, DOUBLE, SINGLE } from './case.js';
import { makeModel, openPictures, type Place } from './place.js';
import { type RunToTrace, SMALL, traceRun } from './run.js';
import type { Json, TraceOptions } from './trace.js';

/** Dropout, momentum, augmentation and a schedule: everything that a run must take up where it was. */
const EVERYTHING = {
  ...SMALL,
  strategy: 'full',
  freeze: { until: 'layer4.1' },
  optimizer: 'sgd',
  lr: 1e-2,
  schedule: 'cosine',
  augment: 'standard',
} as const satisfies TrainOptions;

interface Part extends Partial<Omit<RunToTrace, 'model' | 'data' | 'options'>> {
  /** Whether it has a run directory, which is the same in all parts that have one. */
  readonly inDirectory?: boolean;
  readonly options: TrainOptions;
  readonly create?: Partial<CreateOptions>;
}

/** Runs one after another, each with a model of its own. */
async function traceParts(place: Place, name: string, parts: readonly Part[], o: TraceOptions): Promise<Json> {
  const data = await openPictures(place);
  const traces: Json[] = [];
  const out = join(place.root, 'runs', name);
  for (const { inDirectory = false, create, options, ...rest } of parts) {
    using model = await makeModel(place, { head: { hidden: 8, dropout: 0.3 }, ...create });
    const asked = inDirectory ? { out, ...options } : options;
    traces.push(await traceRun(place, { ...rest, model, data, options: asked }, o));
  }
  data.dispose();
  return traces;
}

function parted(name: string, tolerance: number, parts: readonly Part[]): Case {
  return { name, tolerance, trace: (place, o) => traceParts(place, name, parts, o) };
}

/** In float32, and so that nothing is amplified. */
const QUIET = {
  ...SMALL,
  strategy: 'full',
  freeze: { until: 'layer4.1' },
  batchNorm: 'eval',
  schedule: 'constant',
  warmupEpochs: 0,
  precision: 'fp32',
} as const satisfies TrainOptions;
const single = { dtype: 'float32' } as const;
const diskCache = { ...QUIET, augment: 'standard', epochs: 3, cache: 'disk', cacheViews: 2 } as const;

export const runCases: readonly Case[] = [
  parted('cache in memory', SINGLE, [
    {
      create: single,
      options: { ...SMALL, strategy: 'feature-extraction', precision: 'fp32', augment: 'flip', cache: 'memory' },
    },
  ]),
  // The second run finds what the first one left.
  parted('cache of two views on disk', SINGLE, [
    { create: single, options: diskCache },
    { create: single, options: diskCache },
  ]),
  // Before the evaluation of the first epoch, and in the second epoch.
  parted('aborted and resumed', DOUBLE, [
    { inDirectory: true, options: EVERYTHING, abortAfter: 3 },
    { inDirectory: true, options: { resume: true }, abortAfter: 1 },
    { inDirectory: true, options: { resume: true } },
  ]),
  parted('changed by its callback', SINGLE, [
    {
      inDirectory: true,
      create: single,
      options: {
        ...QUIET,
        epochs: 4,
        lr: 1e-3,
        weightDecay: 0.1,
        decayNormBias: false,
        layerDecay: 0.5,
        onEpoch: ({ epoch }, control) => {
          if (epoch === 1) control.setRate('head', 3e-3);
          if (epoch === 2) control.scaleRates(100);
          if (epoch === 3) control.stop();
        },
      },
      // The first epoch has a checkpoint. The second is the best: its weights wait until the end.
      onEpoch: ({ epoch }, clock) => {
        if (epoch === 1) clock.now += 60_000;
      },
    },
  ]),
  parted('chunks that grow', DOUBLE, [
    {
      msPerStep: 150,
      options: {
        ...SMALL,
        strategy: 'feature-extraction',
        batchSize: 1,
        cacheImages: true,
        schedule: (step, total) => 1 - step / (2 * total),
      },
    },
  ]),
  {
    name: 'frozen and unfrozen',
    tolerance: DOUBLE,
    async trace(place, o) {
      const data = await openPictures(place);
      using model = await makeModel(place, { head: { hidden: 8, dropout: 0.3 } });
      const options = { ...SMALL, epochs: 1, strategy: 'differential', augment: 'flip' } as const;
      model.freeze({ until: 'layer3' }, { batchNorm: 'eval' });
      const frozen = await traceRun(place, { model, data, options }, o);
      model.unfreeze();
      const whole = await traceRun(place, { model, data, options: { ...options, lr: 1e-5 } }, o);
      data.dispose();
      return { frozen, whole };
    },
  },
];
