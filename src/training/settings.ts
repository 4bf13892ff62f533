import { resolve } from 'node:path';
import type { Augmentation } from '../data/transforms/augmentation.js';
import { defaultResize } from '../data/transforms/spec.js';
import { DEFAULT_LOSS, type LossSpec, lossOf } from '../losses/registry.js';
import { requireBestMetric } from '../metrics/best.js';
import { type BatchNormPolicy, type FreezeRule, resolveFreeze } from '../model/freeze.js';
import type { ResNet } from '../model/network.js';
import { type PrecisionName, precisionName, resolveCompute } from '../model/precision.js';
import { native } from '../native/load.js';
import { buildGroups, type ParameterGroup } from '../optim/groups.js';
import type { OptimizerSpec } from '../optim/optimizers.js';
import type { Schedule, ScheduleSpec } from '../optim/schedules.js';
import { invalidArgument } from '../options.js';
import { checkCacheSettings } from './feature-cache.js';
import { checkGroups } from './group-list.js';
import { lossOfOptions } from './loss.js';
import { type LossScale, lossScaleOf } from './loss-scale.js';
import {
  checkedValues,
  checkTrainOptions,
  type NamesOf,
  namesByResume,
  namesOf,
  type OptionValues,
  TRAIN_OPTION_NAMES,
} from './option-values.js';
import type { TrainOptions } from './options.js';
import { overrideStrategy } from './overrides.js';
import { DEFAULT_STRATEGY, strategyOf } from './strategies.js';

type SettingName = NamesOf<'settings'>;

/** The order of `config.json`, which does not follow that of `--help`: equal runs of several versions are compared. Others come last. */
const WRITTEN_ORDER: readonly SettingName[] = [
  'epochs',
  'batchSize',
  'imageSize',
  'resize',
  'seed',
  'precision',
  'lossScale',
  'bestMetric',
  'skipCorrupt',
  'cache',
  'cacheViews',
];

const SETTING_NAMES: readonly SettingName[] = [...new Set([...WRITTEN_ORDER, ...namesOf('settings')])];

/** What the table says of each setting; null where it was not given and has no default, as JSON has it. */
type TableSettings = {
  readonly [Name in SettingName]: Exclude<OptionValues<SettingName>[Name], undefined> | OrNull<Name>;
};

type OrNull<Name extends SettingName> = undefined extends OptionValues<SettingName>[Name] ? null : never;

/** Everything that the weights at the end of a run depend on, but the model and the data: plain data. */
export interface RunSettings extends Omit<TableSettings, 'resize' | 'precision' | 'lossScale'> {
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
  readonly resize: number;
  readonly precision: PrecisionName;
  /** With all that it does not say filled in; class weights are as they were given. */
  readonly loss: LossSpec;
  /** Null where losses are not scaled. */
  readonly lossScale: LossScale | null;
}

/** How a run is made, which changes nothing about its weights. */
export interface RunConditions extends Omit<OptionValues<NamesOf<'conditions'>>, 'out'> {
  /** Absolute, or null. */
  readonly out: string | null;
  readonly schedule: Schedule | undefined;
}

/** @throws ERR_INVALID_ARGUMENT for an unknown option, or one that does not go with the others */
export function resolveConditions(options: TrainOptions): RunConditions {
  checkTrainOptions(options);
  const { out, ...conditions } = checkedValues(options, namesOf('conditions'));
  const schedule = typeof options.schedule === 'function' ? options.schedule : undefined;
  if (conditions.resume) {
    if (out === undefined) throw invalidArgument('resume needs out, the directory of the run to continue.');
    if (conditions.overwrite) throw invalidArgument('resume and overwrite exclude each other.');
    const own = namesByResume('kept', 'data');
    const also = TRAIN_OPTION_NAMES.find(
      (name) => own.includes(name) && options[name] !== undefined && !(name === 'schedule' && schedule !== undefined),
    );
    if (also !== undefined) throw invalidArgument(`resume continues a run with its own settings. Leave ${also} out.`);
  }
  return { ...conditions, out: out === undefined ? null : resolve(out), schedule };
}

/** @throws ERR_INVALID_ARGUMENT for a CUDA graph on the CPU */
export function checkCudaGraph(cudaGraph: boolean, { device }: Pick<ResNet, 'device'>): void {
  if (!cudaGraph || device !== 'cpu') return;
  throw invalidArgument(
    "cudaGraph needs a CUDA device, and the model is on the CPU: leave it out, or use device 'cuda'.",
  );
}

/** @throws ERR_INVALID_ARGUMENT for anything that is out of range or contradicts itself */
export function resolveSettings(model: ResNet, options: TrainOptions): RunSettings {
  const base = strategyOf(options.strategy ?? DEFAULT_STRATEGY);
  const units = model.units();
  const rule = options.freeze ?? model.frozen?.rule ?? base.freeze;
  const strategy = overrideStrategy(base, { ...options, freeze: rule }, model.arch);
  const batchNorm = options.batchNorm ?? model.frozen?.batchNorm ?? strategy.batchNorm;
  const freeze = resolveFreeze(units, rule, { batchNorm });
  const groups = Array.isArray(options.groups)
    ? checkGroups(units, options.groups as readonly ParameterGroup[], freeze.trainable)
    : buildGroups(units, strategy.groups, freeze.trainable);
  const plain = tableSettings(options);
  const precision = precisionName(resolveCompute(plain.precision, model, native()), model.dtype);
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
    ...plain,
    resize: plain.resize ?? fittingResize(plain.imageSize, model),
    precision,
    lossScale: lossScaleOf(options.lossScale, precision),
    bestMetric: requireBestMetric(plain.bestMetric, { outputs: model.head.classes }),
    loss: lossOfOptions(options),
  };
  checkCacheSettings(settings);
  return settings;
}

function fittingResize(imageSize: number, { preprocessing }: ResNet): number {
  return checkedValues({ resize: defaultResize(imageSize, preprocessing) }, ['resize']).resize as number;
}

function tableSettings(options: TrainOptions): TableSettings {
  const values = Object.entries(checkedValues(options, SETTING_NAMES));
  return Object.fromEntries(values.map(([name, value]) => [name, value ?? null])) as unknown as TableSettings;
}

/** What `config.json` has: of settings that came later than the others those alone that were given, so that runs of several versions compare. */
export function writtenSettings(settings: RunSettings): RunSettings {
  const first: readonly string[] = WRITTEN_ORDER;
  const later: readonly string[] = SETTING_NAMES.filter((name) => !first.includes(name));
  const entries = Object.entries(settings).filter(([name, value]) => value !== null || !later.includes(name));
  return Object.fromEntries(entries) as unknown as RunSettings;
}

/** The settings of a run that is continued: one of an earlier version has not written what came later, and had its default. */
export function settingsOfRun(written: RunSettings): RunSettings {
  const before = {
    ...tableSettings({}),
    lossScale: lossScaleOf(undefined, written.precision),
    loss: lossOf(DEFAULT_LOSS),
  };
  return { ...before, ...(written as Partial<RunSettings>) } as RunSettings;
}
