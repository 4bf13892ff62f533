import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Dataset } from '../../src/data/dataset.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import type { EpochControl, GroupRate, OnEpoch } from '../../src/training/epoch-control.js';
import type { EpochEvent, TrainingEvent } from '../../src/training/events.js';
import type { TrainOptions } from '../../src/training/options.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { collect, differences, readEvents, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

/** Two groups, momentum and a schedule, so that a rate that is wrong once shows in every bit after it. */
const options = {
  ...tinyOptions,
  optimizer: 'sgd',
  lr: 1e-2,
  headLr: 2e-2,
  schedule: 'cosine',
  epochs: 3,
} as const satisfies TrainOptions;

/** Changes rates after each of the first two epochs. */
const changing: OnEpoch = async ({ epoch }, control) => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (epoch === 1) control.scaleRates(0.3);
  if (epoch === 2) control.setRate('head', 0.05);
};

async function model(t: TestContext): Promise<ResNet50> {
  const made = await tinyModel({ head: { hidden: 8, dropout: 0.3 } });
  t.after(() => made.dispose());
  return made;
}

async function runDirectory(t: TestContext): Promise<string> {
  return join(await temporaryDirectory(t), 'run');
}

/** Trains until `result` settles; what it was told, and what it failed with. */
async function outcome(
  made: ResNet50,
  data: Dataset,
  o: TrainOptions,
): Promise<{ readonly events: readonly TrainingEvent[]; readonly failure?: unknown }> {
  const events: TrainingEvent[] = [];
  const run = train(made, data, o);
  try {
    for await (const event of run) events.push(event);
    return { events };
  } catch (failure) {
    await assert.rejects(run.result, (error) => error === failure);
    return { events, failure };
  }
}

/** Aborts when the event of a step is read. */
async function abortAt(step: number, made: ResNet50, data: Dataset, o: TrainOptions): Promise<void> {
  const controller = new AbortController();
  const run = train(made, data, { ...o, signal: controller.signal });
  await assert.rejects(async () => {
    for await (const event of run) if (event.type === 'step' && event.step === step) controller.abort();
  });
}

function epochs(events: readonly TrainingEvent[]): readonly unknown[] {
  return events.flatMap((event) =>
    event.type === 'epoch' ? [{ epoch: event.epoch, train: event.train, val: event.val, drift: event.drift }] : [],
  );
}

describe('a callback between epochs', () => {
  it('changes the base rates from the next step on, and the schedule goes on being applied', async (t) => {
    const data = await tinyData(t);
    const seen: (readonly GroupRate[])[] = [];
    const events = await collect(
      train(await model(t), data, {
        ...options,
        onEpoch: (event, control) => {
          seen.push(control.rates);
          if (event.epoch === 1) {
            control.setRate('head', 0.5);
            control.scaleRates(0.5);
            control.setRate('backbone', 0);
            seen.push(control.rates);
          }
        },
      }),
    );
    const rates = (backbone: number, head: number) => [
      { group: 'backbone', lr: backbone },
      { group: 'head', lr: head },
    ];
    assert.deepEqual(seen, [rates(1e-2, 2e-2), rates(0, 0.25), rates(0, 0.25), rates(0, 0.25)]);
    const steps = events.flatMap((event) => (event.type === 'step' ? [event] : []));
    const factor = (step: number) => (1 + Math.cos((Math.PI * step) / 9)) / 2;
    for (const { step, lr } of steps) {
      const base = step <= 3 ? { backbone: 1e-2, head: 2e-2 } : { backbone: 0, head: 0.25 };
      assert.ok(Math.abs((lr.backbone ?? 1) - base.backbone * factor(step - 1)) < 1e-12, `step ${step}`);
      assert.ok(Math.abs((lr.head ?? 1) - base.head * factor(step - 1)) < 1e-12, `step ${step}`);
    }
    const [first, second] = events.flatMap((event) => (event.type === 'epoch' ? [event.drift['layer4.2']] : []));
    assert.equal(first, second);
  });

  it('has changed the run for good: continued with it or without, it ends with the same bits', async (t) => {
    const data = await tinyData(t);
    const whole = await model(t);
    const uninterrupted = await collect(train(whole, data, { ...options, onEpoch: changing }));

    const inSecond = await runDirectory(t);
    await abortAt(5, await model(t), data, { ...options, out: inSecond, onEpoch: changing });
    const withCallback = await model(t);
    const [start] = await collect(train(withCallback, data, { out: inSecond, resume: true, onEpoch: changing }));
    assert.ok(start?.type === 'start');
    assert.deepEqual(
      start.groups.map(({ lr }) => lr),
      [1e-2 * 0.3, 2e-2 * 0.3],
    );
    assert.deepEqual(differences(await weightsOf(whole), await weightsOf(withCallback)), []);

    const inThird = await runDirectory(t);
    await abortAt(7, await model(t), data, { ...options, out: inThird, onEpoch: changing });
    const without = await model(t);
    await train(without, data, { out: inThird, resume: true }).result;
    assert.deepEqual(differences(await weightsOf(whole), await weightsOf(without)), []);
    for (const out of [inSecond, inThird]) assert.deepEqual(epochs(await readEvents(out)), epochs(uninterrupted));

    const unchanged = await model(t);
    await train(unchanged, data, options).result;
    assert.notDeepEqual(differences(await weightsOf(whole), await weightsOf(unchanged)), []);
  });

  it('ends the run as a success, which a continued run knows', async (t) => {
    const data = await tinyData(t);
    const out = await runDirectory(t);
    const stopping = await model(t);
    const stop: OnEpoch = ({ epoch }, control) => {
      if (epoch === 2) control.stop();
    };
    const run = train(stopping, data, { ...options, out, onEpoch: stop });
    const events = await collect(run);
    const result = await run.result;
    assert.deepEqual([result.stopped, result.epochs, result.steps, result.last.epoch], [true, 2, 6, 2]);
    assert.match(events.map(({ type }) => type).join(' '), /epoch (checkpoint )+result$/);
    using best = await ResNet50.load(out);
    assert.deepEqual(best.classes, data.classes);

    const again = await model(t);
    const continued = train(again, data, { out, resume: true });
    assert.deepEqual(
      (await collect(continued)).map(({ type }) => type),
      ['start', 'result'],
    );
    assert.equal((await continued.result).stopped, true);
    assert.deepEqual(differences(await weightsOf(stopping), await weightsOf(again)), []);

    const whole = await train(await model(t), data, { ...options, epochs: 1, onEpoch: (_, control) => control.stop() })
      .result;
    assert.equal(whole.stopped, false, 'all of its epochs were made');
  });

  it('fails the run with what it throws, after its checkpoint; a continued run asks again', async (t) => {
    const data = await tinyData(t);
    const whole = await model(t);
    await train(whole, data, { ...options, onEpoch: changing }).result;

    const out = await runDirectory(t);
    const thrown = new RangeError('on purpose');
    const failing: OnEpoch = async (event, control) => {
      await changing(event, control);
      if (event.epoch === 2) throw thrown;
    };
    const { events, failure } = await outcome(await model(t), data, { ...options, out, onEpoch: failing });
    assert.equal(failure, thrown);
    const last = events.at(-1);
    assert.deepEqual(last, { type: 'error', code: 'ERR_CALLBACK', message: 'on purpose', epoch: 2, step: 6 });
    assert.deepEqual((await readEvents(out)).at(-1), last);
    const written = events.filter((event) => event.type === 'checkpoint').at(-1);
    assert.deepEqual([written?.kind, written?.step], ['last', 6]);
    using readable = await ResNet50.load(out);
    assert.deepEqual(readable.classes, data.classes);

    const asked: number[] = [];
    const fresh = await model(t);
    const rest = train(fresh, data, {
      out,
      resume: true,
      onEpoch: (event, control) => {
        asked.push(event.epoch);
        return changing(event, control);
      },
    });
    await rest.result;
    assert.deepEqual(asked, [2, 3]);
    assert.deepEqual(differences(await weightsOf(whole), await weightsOf(fresh)), []);
    assert.equal((await readEvents(out)).filter((event) => event.type === 'epoch').length, 3);
  });

  it('may throw anything, at once too, and without a run directory', async (t) => {
    const data = await tinyData(t);
    for (const thrown of ['a string', undefined, Object.create(null) as object]) {
      const onEpoch: OnEpoch = () => {
        throw thrown;
      };
      const { events, failure } = await outcome(await model(t), data, { ...options, freeze: 'backbone', onEpoch });
      assert.equal(failure, thrown);
      assert.equal(events.at(-1)?.type, 'error');
    }
  });

  it('is abandoned when the run is aborted, and asked again when the run goes on', async (t) => {
    const data = await tinyData(t);
    const whole = await model(t);
    await train(whole, data, { ...options, onEpoch: changing }).result;

    const out = await runDirectory(t);
    const controller = new AbortController();
    let abandoned: EpochControl | undefined;
    let first: EpochEvent | undefined;
    const { events, failure } = await outcome(await model(t), data, {
      ...options,
      out,
      signal: controller.signal,
      onEpoch: (event, control) => {
        abandoned = control;
        first = event;
        control.setRate('head', 9);
        control.stop();
        setTimeout(() => controller.abort(), 20);
        return new Promise(() => {});
      },
    });
    assert.equal(failure, controller.signal.reason);
    const last = events.at(-1);
    assert.ok(last?.type === 'aborted' && last.epoch === 1 && last.step === 3);
    assert.throws(() => abandoned?.setRate('head', 1), { code: 'ERR_DISPOSED', message: /epoch 1 is over/ });

    const asked: EpochEvent[] = [];
    const fresh = await model(t);
    await train(fresh, data, {
      out,
      resume: true,
      onEpoch: (event, control) => {
        asked.push(event);
        return changing(event, control);
      },
    }).result;
    assert.deepEqual(epochs(asked.slice(0, 1)), epochs(first === undefined ? [] : [first]));
    assert.deepEqual(differences(await weightsOf(whole), await weightsOf(fresh)), []);
  });

  it('counts when it aborts as the last thing it does', async (t) => {
    const data = await tinyData(t);
    const out = await runDirectory(t);
    const controller = new AbortController();
    const onEpoch: OnEpoch = (_, control) => {
      control.scaleRates(2);
      controller.abort();
    };
    await outcome(await model(t), data, { ...options, freeze: 'backbone', out, signal: controller.signal, onEpoch });
    const asked: number[] = [];
    const rates: number[] = [];
    await train(await model(t), data, {
      out,
      resume: true,
      onEpoch: ({ epoch }, control) => {
        asked.push(epoch);
        rates.push(...control.rates.map(({ lr }) => lr));
      },
    }).result;
    assert.deepEqual(asked, [2, 3]);
    assert.deepEqual([...new Set(rates)], [4e-2]);
  });

  it('runs while nothing is trained', async (t) => {
    const data = await tinyData(t);
    const trained = await model(t);
    let looked = 0;
    await train(trained, data, {
      ...options,
      freeze: 'backbone',
      epochs: 2,
      onEpoch: async () => {
        const before = await weightsOf(trained);
        await new Promise((resolve) => setTimeout(resolve, 100));
        assert.deepEqual(differences(before, await weightsOf(trained)), []);
        looked++;
      },
    }).result;
    assert.equal(looked, 2);
  });

  it('is refused groups that there are not, and values out of range', async (t) => {
    const data = await tinyData(t);
    const made = await model(t);
    const invalid = (message: RegExp) => ({ name: 'ResnetTorchError', code: 'ERR_INVALID_ARGUMENT', message });
    const onEpoch: OnEpoch = (_, control) => {
      assert.throws(() => control.setRate('haed', 1), invalid(/no parameter group "haed".*Did you mean head\?/));
      assert.throws(() => control.setRate('all', 1), invalid(/There are backbone, head\./));
      assert.throws(() => control.setRate('head', -1), invalid(/The rate of head/));
      assert.throws(() => control.setRate('head', Number.NaN), invalid(/The rate of head/));
      assert.throws(() => control.scaleRates(0), invalid(/factor of scaleRates\(\)/));
      control.setRate('head', 1e300);
      assert.throws(() => control.scaleRates(1e300), invalid(/scaled rate of head/));
      control.setRate('head', 1e-3);
    };
    await train(made, data, { ...options, epochs: 1, onEpoch }).result;
    const wrong = 3 as unknown as OnEpoch;
    assert.throws(() => train(made, data, { ...options, onEpoch: wrong }), invalid(/onEpoch must be a function/));
  });
});
