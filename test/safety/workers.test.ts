import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { tinyModel } from '../training/support/tiny.js';
import { answerOf, moduleUrl, program, tinyGround } from './support/programs.js';

const THREADS = 3;

type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'step'; readonly done: number }
  | { readonly type: 'end'; readonly logits: readonly number[]; readonly predictions: unknown };

describe('worker threads', () => {
  it('load, train and predict at once, with equal results, and none starves', async (t) => {
    const ground = await tinyGround(t);
    using model = await tinyModel();
    const checkpoint = join(ground.out, 'begin.safetensors');
    await model.save(checkpoint);
    const source = program(
      ground,
      `
      import { parentPort, threadId } from 'node:worker_threads';
      const model = await ResNet50.load(${JSON.stringify(checkpoint)}, { device: 'cpu' });
      parentPort.postMessage({ type: 'ready' });
      await new Promise((resolve) => parentPort.once('message', resolve));
      const directory = join(out, 'run ' + threadId);
      for await (const event of train(model, data, { ...options, epochs: 4, out: directory })) {
        if (event.type === 'step') parentPort.postMessage({ type: 'step', done: event.step / event.steps });
      }
      // Which images go together is a matter of time, and the last bits of a product are one of the batch's size.
      const predictor = await Predictor.load(directory, { device: 'cpu', workers: 1, precision: 'fp32', maxBatch: 1 });
      const paths = data.splits.val.files.map(({ path }) => path);
      const predictions = await Promise.all(paths.map((path) => predictor.predict(path)));
      const images = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
      const logits = await model.forward(images, [1, 3, 64, 64]);
      // Errors are of this thread's own class, and know where they were caused.
      const error = await model.forward(images, [2, 3, 64, 64]).catch((error) => error);
      if (!(error instanceof api.ResnetTorchError) || error.code !== 'ERR_SHAPE_MISMATCH') throw error;
      if (!error.stack.includes('resnet50.js')) throw new Error('no stack of the caller: ' + error.stack);
      parentPort.postMessage({ type: 'end', logits: [...logits.data], predictions });`,
    );

    const workers = Array.from({ length: THREADS }, () => new Worker(moduleUrl(source)));
    const progress = workers.map(() => 0);
    let slowest: number | null = null;
    let ready = 0;
    const ends = workers.map(
      (worker, index) =>
        new Promise<Message & { readonly type: 'end' }>((resolve, reject) => {
          worker.on('error', reject);
          worker.on('exit', () => reject(new Error('the worker ended without an answer')));
          worker.on('message', (message: Message) => {
            if (message.type === 'ready' && ++ready === THREADS) for (const each of workers) each.postMessage('go');
            if (message.type === 'step') progress[index] = message.done;
            if (message.type === 'step' && message.done === 1) slowest ??= Math.min(...progress);
            if (message.type === 'end') resolve(message);
          });
        }),
    );
    const [first, ...others] = await Promise.all(ends);
    for (const other of others) assert.deepEqual(other, first);
    assert.ok(
      slowest !== null && slowest >= 0.5,
      `the slowest had made ${slowest} of its steps when the first was done`,
    );
  });

  it('that are terminated in mid-epoch give back their memory, and the main thread goes on', async (t) => {
    const ground = await tinyGround(t);
    const worker = program(
      ground,
      `
      import { parentPort } from 'node:worker_threads';
      const run = train(await create(), data, { ...options, freeze: 'none', optimizer: 'adam', epochs: 1000 });
      await until(run, 'step');
      parentPort.postMessage('training');
      await run.result;`,
    );
    const figures = await answerOf<{
      readonly before: number;
      readonly during: readonly number[];
      readonly after: number;
      readonly logits: readonly (readonly number[])[];
      readonly predictions: number;
    }>(
      program(
        ground,
        `
        import { once } from 'node:events';
        import { Worker } from 'node:worker_threads';
        const images = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
        const logits = [];
        const trained = async (directory, meanwhile) => {
          const model = await create();
          const run = train(model, data, { ...options, epochs: 3, out: directory });
          await until(run, 'step');
          await meanwhile();
          await run.result;
          logits.push([...(await model.forward(images, [1, 3, 64, 64])).data]);
          model.dispose();
        };
        await trained(join(out, 'alone'), async () => {});
        const before = await resident();
        const during = [];
        for (let i = 0; i < 2; i++) {
          const worker = new Worker(new URL(${JSON.stringify(moduleUrl(worker).href)}));
          await once(worker, 'message');
          during.push(process.memoryUsage.rss() / 1e6);
          await trained(join(out, String(i)), () => worker.terminate());
        }
        const predictor = await Predictor.load(join(out, '1'), { device: 'cpu' });
        const predictions = (await predictor.predict(photo)).predictions.length;
        predictor.dispose();
        const after = await resident();
        console.log(JSON.stringify({ before, during, after, logits, predictions }));`,
      ),
    );
    assert.equal(figures.predictions, 3);
    assert.equal(figures.logits.length, 3);
    for (const logits of figures.logits) assert.deepEqual(logits, figures.logits[0]);
    // A worker holds weights, gradients and two moments of 25 million parameters.
    for (const during of figures.during) assert.ok(during > figures.before + 300, JSON.stringify(figures));
    assert.ok(figures.after < figures.before + 100, JSON.stringify(figures));
  });
});
