import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  buildSchedule,
  rateRows,
  SCHEDULE_KINDS,
  type ScheduleKind,
  type ScheduleSpec,
  scheduleOf,
  schedules,
} from '../../src/optim/schedules.js';
import { invalid } from '../support/invalid.js';
import { projectRoot } from '../support/paths.js';
import { AS_PYTORCH } from './support/as-pytorch.js';

/** Rates before each step of PyTorch 2.13's schedulers with a rate of 1, as test/parity/schedules.py makes them. */
const PYTORCH = JSON.parse(readFileSync(join(projectRoot, 'test/fixtures/golden/schedules.json'), 'utf8')) as Readonly<
  Record<string, readonly number[]>
>;

/** The least that a schedule can be. */
const specOf = (kind: ScheduleKind): ScheduleSpec =>
  kind === 'multi-step' ? { kind, milestoneEpochs: [1, 5] } : { kind };

const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} for ${expected}`);

describe('schedules', () => {
  it('constant: the whole rate', () => {
    const schedule = schedules.constant();
    for (const step of [0, 5, 99, 1000]) assert.equal(schedule(step, 100), 1);
  });

  it('cosine: half a cosine from the first step to the end', () => {
    const schedule = schedules.cosine();
    assert.equal(schedule(0, 100), 1);
    for (const step of [1, 25, 50, 99]) close(schedule(step, 100), (1 + Math.cos((Math.PI * step) / 100)) / 2);
    close(schedule(50, 100), 0.5);
  });

  it('linear: a line from the first step to the end', () => {
    const schedule = schedules.linear();
    for (const step of [0, 1, 50, 99]) close(schedule(step, 100), 1 - step / 100);
  });

  /** `get_last_lr()` of PyTorch 2.13's PolynomialLR with total_iters=10 and a rate of 1, before each step, in float64. */
  const polynomialLR = {
    1: [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.30000000000000004, 0.19999999999999996, 0.09999999999999998, 0, 0],
    0.5: [
      1,
      0.9486832980505138,
      0.8944271909999159,
      0.8366600265340756,
      0.7745966692414834,
      Math.SQRT1_2,
      0.6324555320336759,
      0.5477225575051662,
      0.4472135954999579,
      0.31622776601683794,
      0,
      0,
    ],
    0.9: [
      1, 0.9095325760829622, 0.8180521460508584, 0.7254178469372199, 0.6314458674893553, 0.5358867312681466,
      0.4383832905540869, 0.3383834619016498, 0.23492378861760374, 0.12589254117941667, 0, 0,
    ],
    2: [
      1, 0.81, 0.6400000000000001, 0.48999999999999994, 0.36000000000000004, 0.25000000000000006, 0.16000000000000006,
      0.09000000000000007, 0.039999999999999994, 0.009999999999999998, 0, 0,
    ],
  };
  for (const [power, rates] of Object.entries(polynomialLR)) {
    it(`polynomial: what PyTorch's PolynomialLR gives with a power of ${power}`, () => {
      const schedule = schedules.polynomial({ power: Number(power) });
      for (const [step, rate] of rates.entries()) close(schedule(step, 10), rate);
    });
  }

  it('polynomial: a line unless told otherwise, and its floor is what timm calls lr_min', () => {
    for (const step of [0, 3, 9]) close(schedules.polynomial()(step, 10), schedules.linear()(step, 10));
    close(schedules.polynomial({ power: 2, floor: 0.1 })(5, 10), 0.1 + 0.9 * 0.25);
  });

  it('fall to the floor', () => {
    close(schedules.cosine({ floor: 0.1 })(50, 100), 0.55);
    close(schedules.linear({ floor: 0.1 })(50, 100), 0.55);
    close(schedules.linear({ floor: 1 })(99, 100), 1);
  });

  for (const [name, schedule, total] of AS_PYTORCH) {
    it(`${name}: what PyTorch gives, in ${total} steps`, () => {
      assert.equal(PYTORCH[name]?.length, total);
      for (const [step, rate] of PYTORCH[name].entries()) close(schedule(step, total), rate);
    });
  }

  it('step: falls after each third of the run unless told otherwise', () => {
    const schedule = schedules.step();
    for (const [step, rate] of [
      [29, 1],
      [30, 0.1],
      [59, 0.1],
      [60, 0.01],
      [89, 0.01],
    ] as const)
      close(schedule(step, 90), rate);
  });

  it('one-cycle: of a run of a few steps', () => {
    for (const total of [1, 2, 3]) {
      for (let step = 0; step < total; step++) assert.ok(schedules.oneCycle()(step, total) > 0);
    }
  });

  it('fall after a milestone that lies within an epoch', () => {
    const schedule = buildSchedule({ kind: 'multi-step', milestoneEpochs: [0.5] }, 3);
    assert.deepEqual(
      [0, 1, 2, 3].map((step) => schedule(step, 9)),
      [1, 1, 0.1, 0.1],
    );
  });

  for (const kind of SCHEDULE_KINDS.filter((name) => name !== 'one-cycle')) {
    it(`${kind}: warms up in a line, never at a rate of 0, and goes on from the whole rate`, () => {
      const schedule = buildSchedule({ ...specOf(kind), warmupEpochs: 0.4 }, 10);
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((step) => schedule(step, 100)),
        [0.25, 0.5, 0.75, 1, 1],
      );
    });
  }

  for (const kind of SCHEDULE_KINDS) {
    it(`${kind}: stays within 0 and 1, beyond the end as well`, () => {
      for (const warmup of [0, 3, 500]) {
        if (kind === 'one-cycle' && warmup > 0) continue;
        const schedule = buildSchedule({ ...specOf(kind), ...(warmup > 0 && { warmupEpochs: warmup }) }, 1);
        for (const total of [1, 2, 100]) {
          for (let step = 0; step < 2 * total; step++) {
            const factor = schedule(step, total);
            assert.ok(factor >= 0 && factor <= 1, `${factor} at ${step} of ${total}`);
            if (step < total) assert.ok(factor > 0, `a rate of 0 at ${step} of ${total}`);
          }
        }
      }
    });
  }

  it('fall over what the warm-up leaves', () => {
    const schedule = schedules.linear({ warmup: 20 });
    close(schedule(60, 100), 0.5);
  });

  for (const [what, make, words] of [
    ['a part of a step', () => schedules.cosine({ warmup: 0.5 }), 'warmup must be a whole number'],
    ['a floor above 1', () => schedules.cosine({ floor: 2 }), 'floor must be'],
    ['a floor that is NaN', () => schedules.linear({ floor: Number.NaN }), 'floor must be'],
    [
      'a floor of a constant',
      () => schedules.constant({ floor: 0.1 } as object),
      'schedules.constant() has no option floor',
    ],
    ['a power of 0', () => schedules.polynomial({ power: 0 }), 'power must be a finite number, greater than 0'],
    ['a power of a line', () => schedules.linear({ power: 2 } as object), 'schedules.linear() has no option power'],
    ['an unknown option', () => schedules.cosine({ warmUp: 1, flor: 1 } as object), 'Did you mean warmup?'],
  ] as const) {
    it(`refuse ${what}`, () => {
      assert.throws(make, invalid(words));
    });
  }
});

describe('buildSchedule', () => {
  it('turns epochs of warm-up into steps', () => {
    const schedule = buildSchedule({ kind: 'cosine', warmupEpochs: 0.5 }, 8);
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((step) => schedule(step, 80)),
      [0.25, 0.5, 0.75, 1, 1],
    );
    assert.equal(buildSchedule({ kind: 'constant', warmupEpochs: 0.01 }, 8)(0, 80), 1);
  });

  it('takes the nearest whole number of steps for a part of an epoch', () => {
    const warmupOf = (epochs: number, stepsPerEpoch: number) => {
      const schedule = buildSchedule({ kind: 'constant', warmupEpochs: epochs }, stepsPerEpoch);
      return Array.from({ length: 10 }, (_, step) => schedule(step, 100)).indexOf(1) + 1;
    };
    assert.equal(warmupOf(0.5, 3), 2);
    assert.equal(warmupOf(0.8, 3), 2);
    assert.equal(warmupOf(1.1, 3), 3);
  });

  it('passes the floor on', () => {
    close(buildSchedule({ kind: 'linear', floor: 0.2 }, 10)(50, 100), 0.6);
    close(buildSchedule({ kind: 'polynomial', power: 2, warmupEpochs: 1 }, 10)(55, 100), 0.25);
  });

  it('is known by its name', () => {
    for (const kind of SCHEDULE_KINDS) {
      assert.deepEqual(scheduleOf(kind), { kind });
      close(buildSchedule(specOf(kind), 10)(0, 100), kind === 'one-cycle' ? 1 / 25 : 1);
    }
  });

  for (const [what, spec, words] of [
    [
      'an unknown name',
      'cosin',
      'schedule cannot be "cosin": it is one of constant, cosine, linear, polynomial, cosine-restarts, one-cycle, step, multi-step, exponential. Did you mean cosine?',
    ],
    ['an unknown kind', { kind: 'plateau' }, 'schedule.kind cannot be "plateau"'],
    [
      'milestones that are none',
      { kind: 'multi-step' },
      'schedule.milestoneEpochs must be an array of numbers, one at least',
    ],
    ['a milestone of 0', { kind: 'multi-step', milestoneEpochs: [3, 0] }, 'schedule.milestoneEpochs[1] must be'],
    [
      'a warm-up of a schedule that rises',
      { kind: 'one-cycle', warmupEpochs: 1 },
      'The schedule one-cycle has no option warmupEpochs',
    ],
    ['a gamma above 1', { kind: 'step', gamma: 2 }, 'schedule.gamma must be'],
    [
      'steps in plain data',
      { kind: 'step', every: 2 },
      'The schedule step has no option every. Known are kind, warmupEpochs, everyEpochs, gamma.',
    ],
    ['a share of the run above 1', { kind: 'one-cycle', pctStart: 1 }, 'schedule.pctStart must be'],
    ['a warm-up below 0', { kind: 'cosine', warmupEpochs: -1 }, 'warmupEpochs must be'],
    ['an endless warm-up', { kind: 'cosine', warmupEpochs: Number.POSITIVE_INFINITY }, 'warmupEpochs must be'],
    ['a floor of a constant', { kind: 'constant', floor: 0.1 }, 'The schedule constant has no option floor'],
    ['a floor above 1', { kind: 'linear', floor: 1.1 }, 'schedule.floor must be'],
    ['a power of 0', { kind: 'polynomial', power: 0 }, 'schedule.power must be'],
    ['a power of a cosine', { kind: 'cosine', power: 2 }, 'The schedule cosine has no option power'],
    ['an unknown option', { kind: 'cosine', warmup: 1 }, 'The schedule cosine has no option warmup.'],
    ['nothing', undefined, 'schedule cannot be undefined'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => buildSchedule(spec as never, 10), invalid(words));
    });
  }
});

describe('rateRows', () => {
  it('is row-major, a row a step, a column a group', () => {
    const rows = rateRows([{ lr: 1 }, { lr: 10 }, { lr: 100 }], (step, total) => step / total, 2, 2, 4);
    assert.ok(rows instanceof Float64Array);
    assert.deepEqual([...rows], [0.5, 5, 50, 0.75, 7.5, 75]);
  });

  it('is the same in one piece and in chunks', () => {
    const groups = [{ lr: 1e-6 }, { lr: 1e-3 }];
    const schedule = schedules.cosine({ warmup: 10 });
    const chunks = [0, 64, 128].flatMap((first) => [
      ...rateRows(groups, schedule, first, Math.min(64, 150 - first), 150),
    ]);
    assert.deepEqual(chunks, [...rateRows(groups, schedule, 0, 150, 150)]);
  });

  for (const factor of [Number.NaN, -1, Number.POSITIVE_INFINITY, undefined]) {
    it(`refuses a schedule that gives ${factor}`, () => {
      const schedule = (step: number) => (step === 7 ? (factor as number) : 1);
      assert.throws(() => rateRows([{ lr: 1 }], schedule, 0, 10, 10), invalid(`for step 7 of 10 it gave ${factor}.`));
    });
  }
});
