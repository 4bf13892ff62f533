import { buildSchedule, schedules } from '../../../src/optim/schedules.js';

/** Schedules that test/parity/schedules.py has of PyTorch under the same names, and over how many steps. */
export const AS_PYTORCH = [
  ['one-cycle', schedules.oneCycle(), 20],
  ['one-cycle-2', schedules.oneCycle({ pctStart: 0.25, divFactor: 10, finalDivFactor: 100 }), 12],
  ['cosine-restarts', schedules.cosineRestarts({ cycleMult: 2, floor: 0.1 }), 12],
  ['cosine-restarts-equal', schedules.cosineRestarts(), 10],
  ['step', schedules.step({ every: 6, gamma: 0.5 }), 18],
  ['multi-step', schedules.multiStep({ milestones: [3, 12] }), 18],
  ['exponential', schedules.exponential({ gamma: 0.9, every: 3 }), 9],
  ['step', buildSchedule({ kind: 'step', everyEpochs: 2, gamma: 0.5 }, 3), 18],
  ['multi-step', buildSchedule({ kind: 'multi-step', milestoneEpochs: [1, 4] }, 3), 18],
  ['exponential', buildSchedule({ kind: 'exponential', gamma: 0.9 }, 3), 9],
] as const;
