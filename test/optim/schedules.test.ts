import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildSchedule, rateRows, SCHEDULE_KINDS, scheduleOf, schedules } from '../../src/optim/schedules.js';
import { invalid } from '../support/invalid.js';

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

  it('fall to the floor', () => {
    close(schedules.cosine({ floor: 0.1 })(50, 100), 0.55);
    close(schedules.linear({ floor: 0.1 })(50, 100), 0.55);
    close(schedules.linear({ floor: 1 })(99, 100), 1);
  });

  for (const kind of SCHEDULE_KINDS) {
    it(`${kind}: warms up in a line, never at a rate of 0, and goes on from the whole rate`, () => {
      const schedule = schedules[kind]({ warmup: 4 });
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((step) => schedule(step, 100)),
        [0.25, 0.5, 0.75, 1, 1],
      );
    });

    it(`${kind}: stays within 0 and 1, beyond the end as well`, () => {
      for (const warmup of [0, 3, 500]) {
        const schedule = schedules[kind]({ warmup });
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

  it('passes the floor on', () => {
    close(buildSchedule({ kind: 'linear', floor: 0.2 }, 10)(50, 100), 0.6);
  });

  it('is the schedule of the same name', () => {
    for (const kind of SCHEDULE_KINDS) {
      assert.equal(buildSchedule({ kind }, 10)(30, 100), schedules[kind]()(30, 100));
      assert.deepEqual(scheduleOf(kind), { kind });
    }
  });

  for (const [what, spec, words] of [
    [
      'an unknown name',
      'cosin',
      'schedule cannot be "cosin": it is one of constant, cosine, linear. Did you mean cosine?',
    ],
    ['an unknown kind', { kind: 'step' }, 'schedule.kind cannot be "step"'],
    ['a warm-up below 0', { kind: 'cosine', warmupEpochs: -1 }, 'warmupEpochs must be'],
    ['an endless warm-up', { kind: 'cosine', warmupEpochs: Number.POSITIVE_INFINITY }, 'warmupEpochs must be'],
    ['a floor of a constant', { kind: 'constant', floor: 0.1 }, 'The schedule constant has no option floor'],
    ['a floor above 1', { kind: 'linear', floor: 1.1 }, 'schedule.floor must be'],
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
