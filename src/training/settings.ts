import { resolve } from 'node:path';
import { MOST_SEED, MOST_WORKERS } from '../data/batches.js';
import { type Augmentation, defaultResize } from '../data/transforms.js';
import { type BatchNormPolicy, type FreezeRule, resolveFreeze } from '../model/freeze.js';
import { PRECISIONS, type PrecisionName, precisionName, resolveCompute } from '../model/precision.js';
import type { ResNet50 } from '../model/resnet50.js';
import type { UnitInfo } from '../model/units.js';
import { native } from '../native/load.js';
import { buildGroups, type ParameterGroup } from '../optim/groups.js';
import type { OptimizerSpec } from '../optim/optimizers.js';
import type { Schedule, ScheduleSpec } from '../optim/schedules.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import type { OnEpoch } from './epoch-control.js';
import { CACHE_MODES, type CacheMode, checkCacheSettings } from './feature-cache.js';
import { type LossScale, lossScaleOf } from './loss-scale.js';
import type { TrainOptions } from './options.js';
import { OVERRIDE_NAMES, overrideStrategy } from './overrides.js';
import { DEFAULT_STRATEGY, strategyOf } from './strategies.js';

/** Everything that the weights at the end of a run depend on, but the model and the data: plain data. */
export interface RunSettings {
  readonly strategy: string;
  readonly freeze: FreezeRule;
  readonly batchNorm: BatchNormPolicy;
  /** BatchNorm modules in training mode. */
  readonly batchNormTraining: readonly string[];
  readonly frozenPrefixUnits: number;
  readonly groups: readonly ParameterGroup[];
  readonly optimizer: OptimizerSpec;
  /** `custom`: a function, which is not plain data. */
  readonly schedule: ScheduleSpec | { readonly kind: 'custom' };
  readonly augment: Augmentation;
  readonly epochs: number;
  readonly batchSize: number;
  readonly imageSize: number;
  readonly resize: number;
  readonly seed: number;
  readonly precision: PrecisionName;
  /** Null where losses are not scaled. */
  readonly lossScale: LossScale | null;
  readonly skipCorrupt: boolean;
  readonly cache: CacheMode;
  /** Null: every epoch has views of its own. */
  readonly cacheViews: number | null;
}

/** How a run is made, which changes nothing about its weights. */
export interface RunConditions {
  /** Absolute, or null. */
  readonly out: string | null;
  readonly overwrite: boolean;
  readonly resume: boolean;
  readonly workers: number | undefined;
  readonly cacheImages: boolean;
  readonly cudaGraph: boolean;
  readonly signal: AbortSignal | undefined;
  readonly schedule: Schedule | undefined;
  readonly onEpoch: OnEpoch | undefined;
}

const SETTING_NAMES = [
  'strategy',
  ...OVERRIDE_NAMES,
  'epochs',
  'batchSize',
  'imageSize',
  'resize',
  'seed',
  'precision',
  'lossScale',
  'skipCorrupt',
  'cache',
  'cacheViews',
] as const satisfies readonly (keyof TrainOptions)[];

const CONDITION_NAMES = [
  'out',
  'overwrite',
  'resume',
  'workers',
  'cacheImages',
  'cudaGraph',
  'signal',
  'onEpoch',
] as const;

/** @throws ERR_INVALID_ARGUMENT for an unknown option, or one that does not go with the others */
export function resolveConditions(options: TrainOptions): RunConditions {
  checkOptions(options, [...SETTING_NAMES, ...CONDITION_NAMES], 'train()');
  const { out, schedule, signal, onEpoch } = options;
  if (out !== undefined && (typeof out !== 'string' || out === '')) {
    throw invalidArgument(`out must be the path of a directory, not ${describe(out)}.`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidArgument('signal must be an AbortSignal.');
  if (onEpoch !== undefined && typeof onEpoch !== 'function') throw invalidArgument('onEpoch must be a function.');
  const resume = requireBoolean(options.resume ?? false, 'resume');
  const overwrite = requireBoolean(options.overwrite ?? false, 'overwrite');
  if (resume) {
    if (out === undefined) throw invalidArgument('resume needs out, the directory of the run to continue.');
    if (overwrite) throw invalidArgument('resume and overwrite exclude each other.');
    const also = SETTING_NAMES.find(
      (name) => options[name] !== undefined && !(name === 'schedule' && typeof schedule === 'function'),
    );
    if (also !== undefined) throw invalidArgument(`resume continues a run with its own settings. Leave ${also} out.`);
  }
  return {
    out: out === undefined ? null : resolve(out),
    overwrite,
    resume,
    workers:
      options.workers === undefined
        ? undefined
        : requireNumber(options.workers, 'workers', { min: 1, max: MOST_WORKERS, integer: true }),
    cacheImages: requireBoolean(options.cacheImages ?? false, 'cacheImages'),
    cudaGraph: requireBoolean(options.cudaGraph ?? false, 'cudaGraph'),
    signal,
    schedule: typeof schedule === 'function' ? schedule : undefined,
    onEpoch,
  };
}

/** @throws ERR_INVALID_ARGUMENT for a CUDA graph on the CPU */
export function checkCudaGraph(cudaGraph: boolean, { device }: Pick<ResNet50, 'device'>): void {
  if (!cudaGraph || device !== 'cpu') return;
  throw invalidArgument(
    "cudaGraph needs a CUDA device, and the model is on the CPU: leave it out, or use device 'cuda'.",
  );
}

/** @throws ERR_INVALID_ARGUMENT for anything that is out of range or contradicts itself */
export function resolveSettings(model: ResNet50, options: TrainOptions): RunSettings {
  const base = strategyOf(options.strategy ?? DEFAULT_STRATEGY);
  const units = model.units();
  const rule = options.freeze ?? model.frozen?.rule ?? base.freeze;
  const strategy = overrideStrategy(base, { ...options, freeze: rule });
  const batchNorm = options.batchNorm ?? model.frozen?.batchNorm ?? strategy.batchNorm;
  const freeze = resolveFreeze(units, rule, { batchNorm });
  const groups = Array.isArray(options.groups)
    ? checkGroups(units, options.groups as readonly ParameterGroup[], freeze.trainable)
    : buildGroups(units, strategy.groups, freeze.trainable);
  const imageSize = requireNumber(options.imageSize ?? 224, 'imageSize', {
    min: 32,
    max: 4096,
    integer: true,
  });
  const asked = requireOneOf(options.precision ?? 'auto', 'precision', PRECISIONS);
  const precision = precisionName(resolveCompute(asked, model, native()), model.dtype);
  const settings: RunSettings = {
    strategy: strategy.name,
    freeze: rule,
    batchNorm,
    batchNormTraining: freeze.batchNormTraining,
    frozenPrefixUnits: freeze.frozenPrefixUnits,
    groups,
    optimizer: strategy.optimizer,
    schedule: typeof options.schedule === 'function' ? { kind: 'custom' } : strategy.schedule,
    augment: strategy.augment,
    epochs: requireNumber(options.epochs ?? 10, 'epochs', {
      min: 1,
      max: 1e6,
      integer: true,
    }),
    batchSize: requireNumber(options.batchSize ?? 32, 'batchSize', {
      min: 1,
      max: 65536,
      integer: true,
    }),
    imageSize,
    resize: requireNumber(options.resize ?? defaultResize(imageSize, model.preprocessing), 'resize', {
      min: 1,
      max: 8192,
      integer: true,
    }),
    seed: requireNumber(options.seed ?? 0, 'seed', {
      min: 0,
      max: MOST_SEED,
      integer: true,
    }),
    precision,
    lossScale: lossScaleOf(options.lossScale, precision),
    skipCorrupt: requireBoolean(options.skipCorrupt ?? false, 'skipCorrupt'),
    cache: requireOneOf(options.cache ?? 'auto', 'cache', CACHE_MODES),
    cacheViews:
      options.cacheViews === undefined
        ? null
        : requireNumber(options.cacheViews, 'cacheViews', { min: 1, max: 1e6, integer: true }),
  };
  checkCacheSettings(settings);
  return settings;
}

/** Groups of the caller's: every trainable parameter must be in exactly one. */
function checkGroups(
  units: readonly UnitInfo[],
  groups: readonly ParameterGroup[],
  trainable: ReadonlySet<string>,
): readonly ParameterGroup[] {
  const left = new Set(trainable);
  const known = new Set(units.flatMap(({ parameters }) => parameters.map(({ name }) => name)));
  checkGroupValues(groups);
  for (const group of groups) {
    for (const name of group.parameters) {
      if (!known.has(name))
        throw invalidArgument(`The group ${group.name} holds ${describe(name)}, which is no parameter.`);
      if (!trainable.has(name)) {
        throw invalidArgument(`The group ${group.name} holds ${name}, which is frozen. Freeze less, or take it out.`);
      }
      if (!left.delete(name)) throw invalidArgument(`${name} is in more than one group.`);
    }
  }
  const [first] = left;
  if (first !== undefined) {
    throw invalidArgument(
      `${left.size} trainable parameters are in no group, the first of them ${first}. Add them, or freeze them.`,
    );
  }
  return groups;
}

/** @throws ERR_INVALID_ARGUMENT for what is no list of groups, or a rate or decay out of range */
export function checkGroupValues(groups: readonly ParameterGroup[]): void {
  if (!Array.isArray(groups) || groups.length === 0)
    throw invalidArgument('groups must be an array of parameter groups.');
  const names = new Set<string>();
  groups.forEach((group, index) => {
    checkOptions(group, ['name', 'parameters', 'lr', 'weightDecay'], `groups[${index}]`);
    if (typeof group.name !== 'string' || names.has(group.name)) {
      throw invalidArgument(`groups[${index}].name must be a string that no other group has.`);
    }
    names.add(group.name);
    if (!Array.isArray(group.parameters) || group.parameters.length === 0) {
      throw invalidArgument(`groups[${index}].parameters must be an array of parameter names.`);
    }
    requireNumber(group.lr, `groups[${index}].lr`, { exclusiveMin: 0 });
    requireNumber(group.weightDecay, `groups[${index}].weightDecay`, {
      min: 0,
    });
  });
}
