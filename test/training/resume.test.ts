import assert from 'node:assert/strict';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ResNet50 } from '../../src/model/resnet50.js';
import type { AbortedEvent, TrainingEvent } from '../../src/training/events.js';
import type { TrainingRun } from '../../src/training/run.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { collect, differences, readEvents, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

/** Dropout, momentum, augmentation and a schedule: everything that a run must take up where it was. */
const options = {
  ...tinyOptions,
  optimizer: 'sgd',
  lr: 1e-2,
  schedule: 'cosine',
  augment: { policy: 'standard', verticalFlip: 0.5, colorJitter: { brightness: 0.2, hue: 0.1 } },
  randomErasing: 0.5,
} as const;

async function model(t: TestContext): Promise<ResNet50> {
  const made = await tinyModel({ head: { hidden: 8, dropout: 0.3 } });
  t.after(() => made.dispose());
  return made;
}

/** What an epoch came to, without its times. */
function figures(events: readonly TrainingEvent[]): unknown[] {
  return events.flatMap((event) =>
    event.type === 'epoch' ? [{ epoch: event.epoch, train: event.train, val: event.val, drift: event.drift }] : [],
  );
}

/** Aborts a run when its event of some step is read. */
async function stopAt(
  step: number,
  begin: (signal: AbortSignal) => TrainingRun,
): Promise<{ readonly seen: readonly TrainingEvent[]; readonly aborted: AbortedEvent }> {
  const controller = new AbortController();
  const run = begin(controller.signal);
  const seen: TrainingEvent[] = [];
  await assert.rejects(
    async () => {
      for await (const event of run) {
        seen.push(event);
        if (event.type === 'step' && event.step === step) controller.abort();
      }
    },
    { name: 'AbortError' },
  );
  await assert.rejects(run.result, (error) => error === controller.signal.reason);
  const aborted = seen.at(-1);
  assert.ok(aborted?.type === 'aborted');
  return { seen, aborted };
}

describe('an aborted run', () => {
  it('goes on to the weights that it would have ended with, bit for bit', async (t) => {
    const data = await tinyData(t, { train: 8, val: 2 });
    const whole = await model(t);
    const uninterrupted = await collect(train(whole, data, options));
    const parted = await model(t);

    const out = join(await temporaryDirectory(t), 'run');
    const first = await stopAt(6, (signal) => train(parted, data, { ...options, out, signal }));
    // Between the last step of an epoch and the first of the next.
    assert.ok(first.aborted.step >= 6 && first.aborted.step < 12);
    const again = await model(t);
    const { aborted, seen } = await stopAt(first.aborted.step + 1, (signal) =>
      train(again, data, { out, resume: true, signal }),
    );
    assert.ok(aborted.step > first.aborted.step && aborted.step < 12);
    assert.deepEqual([aborted.epoch, aborted.checkpoint], [2, join(out, 'checkpoints', 'last.safetensors')]);

    // What a crash would leave behind: steps after the checkpoint, and half a line.
    const lost = { ...seen.find((event) => event.type === 'step'), step: 12 };
    await appendFile(join(out, 'events.jsonl'), `${JSON.stringify(lost)}\n{"type":"st`);

    const fresh = await model(t);
    const rest = await collect(train(fresh, data, { out, resume: true, workers: 1 }));
    const [start] = rest;
    assert.ok(start?.type === 'start');
    assert.deepEqual(start.resumedAt, { epoch: 2, step: aborted.step });
    assert.deepEqual(differences(await weightsOf(whole), await weightsOf(fresh)), []);
    const recorded = await readEvents(out);
    assert.deepEqual(figures(recorded), JSON.parse(JSON.stringify(figures(uninterrupted))));
    const steps = recorded.flatMap((event) => (event.type === 'step' ? [[event.step, event.loss]] : []));
    assert.deepEqual(
      steps,
      uninterrupted.flatMap((event) => (event.type === 'step' ? [[event.step, event.loss]] : [])),
    );
    assert.ok(!recorded.some(({ type }) => type === 'aborted'));

    // A run that has ended is at its end.
    const ended = await collect(train(fresh, data, { out, resume: true }));
    assert.deepEqual(
      ended.map(({ type }) => type),
      ['start', 'result'],
    );
  });

  it('is refused other settings, data or checkpoints than its own', async (t) => {
    const data = await tinyData(t);
    const out = join(await temporaryDirectory(t), 'run');
    using small = await tinyModel();
    await train(small, data, { ...tinyOptions, freeze: 'backbone', epochs: 1, out }).result;
    assert.throws(() => train(small, data, { resume: true }), { code: 'ERR_INVALID_ARGUMENT', message: /needs out/ });
    assert.throws(() => train(small, data, { out, resume: true, lr: 1 }), { message: /Leave lr out/ });

    const refused = (message: RegExp) => ({ code: 'ERR_CHECKPOINT', message });
    const other = await tinyData(t, { train: 5, val: 2 });
    await assert.rejects(train(small, other, { out, resume: true }).result, refused(/data set/));
    using large = await tinyModel({ head: { hidden: 4 } });
    await assert.rejects(train(large, data, { out, resume: true }).result, refused(/head/));
    await assert.rejects(train(small, data, { out: join(out, 'none'), resume: true }).result, refused(/config\.json/));

    const state = join(out, 'checkpoints', 'last.state');
    const bytes = await readFile(state);
    await rm(state);
    await assert.rejects(train(small, data, { out, resume: true }).result, refused(/belong together/));
    // A crash between the two files of a checkpoint: the second one is still called `next`.
    await writeFile(join(out, 'checkpoints', 'next.state'), bytes);
    assert.equal((await train(small, data, { out, resume: true }).result).steps, 3);
  });

  it('that had not begun leaves nothing behind', async (t) => {
    const data = await tinyData(t);
    const out = join(await temporaryDirectory(t), 'run');
    using small = await tinyModel();
    const reason = new Error('not today');
    const run = train(small, data, { ...tinyOptions, out, signal: AbortSignal.abort(reason) });
    await assert.rejects(run.result, (error) => error === reason);
    await assert.rejects(readFile(join(out, 'config.json')), { code: 'ENOENT' });
  });
});
