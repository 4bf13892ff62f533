import { dirname } from 'node:path';
import { type Augmentation, describeAugmentation } from '../data/transforms/augmentation.js';
import type { ArchitectureName } from '../model/architecture.js';
import { type FreezePlan, resolveFreeze } from '../model/freeze.js';
import type { HeadShape } from '../model/head-shape.js';
import type { ModelSource } from '../model/model-source.js';
import type { PrecisionName } from '../model/precision.js';
import { describeUnits } from '../model/units.js';
import type { CheckpointMetadata } from '../model/weights/metadata.js';
import type { Note } from '../notes.js';
import { buildGroups, type ParameterGroup } from '../optim/groups.js';
import type { OptimizerSpec } from '../optim/optimizers.js';
import type { ScheduleSpec } from '../optim/schedules.js';
import type { LossScale } from '../training/loss-scale.js';
import { type NamesOf, namesOf, pick } from '../training/option-values.js';
import type { RunConfig } from '../training/run-config.js';
import { RunDirectory } from '../training/run-directory.js';
import { type RunSettings, settingsOfRun } from '../training/settings.js';
import { describePlan, type Strategy, type UnitPlan } from '../training/strategies.js';
import { flagOf } from './flags.js';
import { grouped, rate, table } from './table.js';

type PlainSettings = Readonly<Pick<RunSettings, NamesOf<'settings'>>>;

export interface PlanReport {
  readonly strategy: string;
  /** `strategy`: as flags would have it. `run`: as it was trained. */
  readonly from: 'strategy' | 'run';
  readonly optimizer: OptimizerSpec;
  readonly schedule: ScheduleSpec | { readonly kind: 'custom' };
  readonly augment: Augmentation;
  /** Of a run; null for a strategy, which has none. */
  readonly precision: PrecisionName | null;
  /** Of a run in fp16. */
  readonly lossScale: LossScale | null;
  /** Of a run: what `config.json` has of each option that is a plain setting; null for a strategy, which has none. */
  readonly settings: PlainSettings | null;
  readonly arch: ArchitectureName;
  readonly head: HeadShape;
  readonly units: readonly UnitPlan[];
  readonly parameters: number;
  readonly trainable: number;
  /** Units from the input with nothing trainable and every BatchNorm in evaluation mode. */
  readonly frozenPrefixUnits: number;
}

/** The network that a plan is for. */
export interface PlannedNetwork {
  readonly arch: ArchitectureName;
  readonly head: HeadShape;
}

/** What a strategy means for a network, unit by unit. */
export function planReport(strategy: Strategy, network: PlannedNetwork): PlanReport {
  const units = describeUnits(network.head, network.arch);
  const freeze = resolveFreeze(units, strategy.freeze, { batchNorm: strategy.batchNorm });
  const groups = buildGroups(units, strategy.groups, freeze.trainable);
  const how = { ...strategy, strategy: strategy.name, precision: null, lossScale: null, settings: null };
  return report(how, 'strategy', network, freeze, groups);
}

/** What a run was trained with, unit by unit. */
export function runPlanReport(settings: RunSettings, network: PlannedNetwork): PlanReport {
  const units = describeUnits(network.head, network.arch);
  const freeze = resolveFreeze(units, settings.freeze, { batchNorm: settings.batchNorm });
  const all = settingsOfRun(settings);
  const plain = pick(all, namesOf('settings')) as PlainSettings;
  return report({ ...all, settings: plain }, 'run', network, freeze, settings.groups);
}

function report(
  how: Pick<PlanReport, 'strategy' | 'optimizer' | 'schedule' | 'augment' | 'precision' | 'lossScale' | 'settings'>,
  from: PlanReport['from'],
  { arch, head }: PlannedNetwork,
  freeze: FreezePlan,
  groups: readonly ParameterGroup[],
): PlanReport {
  const rows = describePlan(describeUnits(head, arch), freeze, groups);
  return {
    strategy: how.strategy,
    from,
    optimizer: how.optimizer,
    schedule: how.schedule,
    augment: how.augment,
    precision: how.precision,
    lossScale: how.lossScale,
    settings: how.settings,
    arch,
    head,
    units: rows,
    parameters: sum(rows.map(({ parameters }) => parameters)),
    trainable: sum(rows.map(({ trainable }) => trainable)),
    frozenPrefixUnits: freeze.frozenPrefixUnits,
  };
}

/** The settings of the run that a checkpoint is the best of; null where it is of no run. */
export async function readRunSettings(source: ModelSource): Promise<RunSettings | null> {
  if (source.kind !== 'run') return null;
  const config = (await new RunDirectory(dirname(source.path)).readConfig()) as Partial<RunConfig>;
  return config.settings ?? null;
}

export function showPlan(plan: PlanReport): string {
  const rows = plan.units.map((unit) => [
    unit.unit,
    grouped(unit.parameters),
    unit.trainable === 0
      ? 'frozen'
      : unit.trainable === unit.parameters
        ? 'trains'
        : `${grouped(unit.trainable)} train`,
    unit.batchNorm === 'none' ? '' : unit.batchNorm,
    unit.groups.map(({ name }) => name).join(', '),
    unit.groups.map(({ lr }) => rate(lr)).join(', '),
    unit.groups.map(({ weightDecay }) => rate(weightDecay)).join(', '),
  ]);
  const { optimizer, schedule, augment, precision, lossScale } = plan;
  const arithmetic = precision === null ? '' : `, ${precision}${lossScale === null ? '' : `, loss scale ${lossScale}`}`;
  return [
    `${plan.from === 'run' ? 'Trained with' : 'Strategy'} ${plan.strategy} on a ${plan.arch}: ${optimizer.kind}, ${describeSchedule(schedule)}, augmentation ${describeAugmentation(augment)}${arithmetic}`,
    ...(plan.settings === null ? [] : [describeSettings(plan.settings)]),
    '',
    table(['unit', 'parameters', '', 'BatchNorm', 'group', 'rate', 'weight decay'], rows, ['left', 'right']),
    '',
    `${grouped(plan.trainable)} of ${grouped(plan.parameters)} parameters train. ` +
      `Frozen from the input: ${plan.frozenPrefixUnits} of ${plan.units.length} units.`,
  ].join('\n');
}

/** Such as `--epochs 10 --seed 0`: what the run was told, or took where it was not told. */
function describeSettings(settings: PlainSettings): string {
  const flags = Object.entries(settings).flatMap(([name, value]) => {
    if (value === null || value === false) return [];
    return [value === true ? `--${flagOf(name)}` : `--${flagOf(name)} ${value}`];
  });
  return `Settings: ${flags.join(' ')}`;
}

function describeSchedule(schedule: PlanReport['schedule']): string {
  const { kind, warmupEpochs, ...rest } = schedule as ScheduleSpec;
  const parts = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  const warmup = warmupEpochs ? `, warm-up over ${warmupEpochs} epochs` : '';
  return `${kind} schedule${parts.length === 0 ? '' : ` (${parts.join(', ')})`}${warmup}`;
}

export interface ModelReport {
  readonly kind: ModelSource['kind'];
  readonly path: string;
  readonly format: string;
  readonly arch: ArchitectureName;
  readonly head: HeadShape;
  readonly classes: readonly string[] | null;
  readonly metadata: CheckpointMetadata | null;
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  /** Where in the file the network was, and what in it is not used. */
  readonly notes: readonly Note[];
}

/** What is in a file. */
export function modelReport(source: ModelSource, notes: readonly Note[]): ModelReport {
  return {
    kind: source.kind,
    path: source.path,
    format: source.table.format,
    arch: source.arch,
    head: source.head,
    classes: source.metadata?.classes ?? null,
    metadata: source.metadata,
    tensors: [...source.table.tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    notes,
  };
}

export function showModel(model: ModelReport, listTensors: boolean): string {
  const dtypes = new Map<string, number>();
  for (const { dtype } of model.tensors) dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + 1);
  const kinds = [...dtypes].map(([dtype, count]) => `${count} ${dtype}`).join(', ');
  const hidden = model.head.hidden.length === 0 ? 'one linear layer' : `hidden ${model.head.hidden.join(', ')}`;
  const lines = [
    `${model.path}: ${model.kind === 'weights' ? 'weights' : 'checkpoint'}, ${model.format}, ${model.tensors.length} tensors (${kinds})`,
    `network: ${model.arch}`,
    `head: ${hidden} to ${model.head.classes} classes`,
  ];
  for (const { message } of model.notes) lines.push(`note: ${message}`);
  if (model.classes !== null) lines.push(`classes: ${model.classes.join(', ')}`);
  if (model.metadata !== null) {
    const { transform, strategy, versions } = model.metadata;
    if (transform !== null)
      lines.push(`input: short side ${transform.resize}, centre ${transform.imageSize}×${transform.imageSize}`);
    if (strategy !== null) lines.push(`strategy: ${strategy}`);
    const written = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    if (written.length > 0) lines.push(`written by: ${written.join(', ')}`);
  }
  if (listTensors) {
    lines.push('');
    lines.push(
      table(
        ['tensor', 'dtype', 'shape'],
        model.tensors.map((t) => [t.name, t.dtype, `[${t.shape.join(', ')}]`]),
      ),
    );
  }
  return lines.join('\n');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
