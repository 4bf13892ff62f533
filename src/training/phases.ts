import { viewSpec } from '../data/transforms/spec.js';
import type { ViewSpec } from '../native/contract/data.js';
import { rateRows, type Schedule } from '../optim/schedules.js';
import { type Changes, groupsWith } from './epoch-control.js';
import type { RunSettings } from './settings.js';

/** Of the settings of a run, what a phase has of its own. */
export const PHASE_SETTINGS = [
  'freeze',
  'batchNorm',
  'batchNormTraining',
  'frozenPrefixUnits',
  'groups',
  'schedule',
  'epochs',
  'augment',
  'imageSize',
  'resize',
] as const satisfies readonly (keyof RunSettings)[];

/** A stretch of a run with its own freeze rule, rates, schedule, image size and augmentation. */
export interface Phase extends Pick<RunSettings, (typeof PHASE_SETTINGS)[number]> {
  /** The schedule as a function of the phase's own steps. */
  readonly factor: Schedule;
}

/** The phases of a run, in their order; never none. */
export type Phases = readonly [Phase, ...Phase[]];

/** A phase, and how many epochs lie before it. */
export interface PhaseSpan {
  readonly phase: Phase;
  readonly firstEpoch: number;
}

/** The phases of a run whose settings hold for all of its epochs: one. */
export function phasesOf(settings: RunSettings, factor: Schedule): Phases {
  const own = Object.fromEntries(PHASE_SETTINGS.map((name) => [name, settings[name]]));
  return [{ ...(own as unknown as Omit<Phase, 'factor'>), factor }];
}

/** Epochs of all phases together. */
export function epochsOf(phases: Phases): number {
  return phases.reduce((sum, { epochs }) => sum + epochs, 0);
}

/** Where an epoch lies, counted from 0. Behind the end it is the last phase. */
export function phaseAt(phases: Phases, epoch: number): PhaseSpan {
  let firstEpoch = 0;
  for (const phase of phases.slice(0, -1)) {
    if (epoch < firstEpoch + phase.epochs) return { phase, firstEpoch };
    firstEpoch += phase.epochs;
  }
  return { phase: phases.at(-1) as Phase, firstEpoch };
}

/** What is made of an image: the phase's augmentation in training, none in evaluation. */
export function viewOf({ augment, imageSize, resize }: Phase, training: boolean): ViewSpec {
  return viewSpec(training ? augment : 'none', imageSize, resize);
}

/**
 * Rates of the next steps, row-major `[count × groups]`, all of them of one phase.
 *
 * @param step since the run began
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` where the schedule gives a factor that is negative or not finite
 */
export function ratesAt(
  { phase, firstEpoch }: PhaseSpan,
  { step, changes }: { readonly step: number; readonly changes: Changes },
  count: number,
  stepsPerEpoch: number,
): Float64Array {
  const total = phase.epochs * stepsPerEpoch;
  return rateRows(groupsWith(phase.groups, changes), phase.factor, step - firstEpoch * stepsPerEpoch, count, total);
}
