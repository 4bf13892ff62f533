import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerOf, moduleUrl, program, tinyGround } from '../safety/support/programs.js';

const WORKERS = 40;
/** Longer than a worker needs to load, to open its data and to begin all of its work. */
const LONGEST_MS = 2500;

describe('worker threads', () => {
  it('may be terminated at any time, two at once, and leave nothing behind', async (t) => {
    const ground = await tinyGround(t);
    const worker = program(
      ground,
      `
      import { threadId } from 'node:worker_threads';
      const model = await create();
      await model.save(join(out, 'w' + threadId + '.safetensors'));
      const run = train(model, data, { ...options, freeze: 'none', epochs: 1000 });
      const other = await create({ seed: 2 });
      const predictor = await Predictor.load(join(out, 'model.safetensors'), { device: 'cpu', imageSize: 32, workers: 2 });
      const again = async (work) => { for (;;) await work(); };
      await Promise.all([
        until(run, 'result'),
        again(() => predictor.predict(photo)),
        again(() => evaluate(other, data, { imageSize: 32, workers: 1 })),
        again(() => openDataset(${JSON.stringify(ground.images)})),
        again(async () => { for await (const _ of data.batches({ imageSize: 32, workers: 2 })); }),
      ]);`,
    );
    const figures = await answerOf<{ readonly before: number; readonly after: number; readonly equal: boolean }>(
      program(
        ground,
        `
        import { Worker } from 'node:worker_threads';
        const model = await create();
        await model.save(join(out, 'model.safetensors'));
        const images = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
        const logits = async () => (await model.forward(images, [1, 3, 64, 64])).data;
        const once = async (milliseconds) => {
          const worker = new Worker(new URL(${JSON.stringify(moduleUrl(worker).href)}));
          const failed = new Promise((_, reject) => worker.on('error', reject));
          failed.catch(() => {});
          await Promise.race([sleep(milliseconds), failed]);
          await worker.terminate();
        };
        const expected = await logits();
        await Promise.all([once(${LONGEST_MS}), once(${LONGEST_MS})]);
        const before = await resident();
        for (let i = 0; i < ${WORKERS}; i += 2) {
          const milliseconds = (i * ${LONGEST_MS}) / ${WORKERS};
          await Promise.all([once(milliseconds), once(milliseconds + 37)]);
        }
        const seen = await logits();
        const equal = expected.every((value, index) => value === seen[index]);
        console.log(JSON.stringify({ before, after: await resident(), equal }));`,
      ),
    );
    t.diagnostic(JSON.stringify(figures));
    assert.equal(figures.equal, true);
    assert.ok(figures.after < figures.before + 100, JSON.stringify(figures));
  });
});
