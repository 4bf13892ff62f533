import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerOf, moduleUrl, program, runProcess, tinyGround } from './support/programs.js';

const endless = `
  const model = await create();
  const run = train(model, data, { ...options, epochs: 100000, out });`;

describe('the end of the process in mid-epoch', () => {
  it('comes by process.exit(), with its code', async (t) => {
    const source = program(await tinyGround(t), `${endless} await until(run, 'step'); process.exit(7);`);
    const { code, stderr } = await runProcess(source);
    assert.equal(code, 7, stderr);
    assert.equal(stderr, '');
  });

  it('comes by process.exit() while a callback is awaited, and while others predict', async (t) => {
    const ground = await tinyGround(t);
    const onEpoch = await runProcess(
      program(
        ground,
        `const onEpoch = () => { setTimeout(() => process.exit(8), 20); return new Promise(() => {}); };
        await train(await create(), data, { ...options, onEpoch }).result;`,
      ),
    );
    assert.equal(onEpoch.code, 8, onEpoch.stderr);
    const busy = await runProcess(
      program(
        ground,
        `${endless}
        await (await create()).save(join(out, 'model.safetensors'));
        const predictor = await Predictor.load(join(out, 'model.safetensors'), { device: 'cpu' });
        const predict = async () => { for (;;) await predictor.predict(photo); };
        void predict(); void predict();
        void evaluate(model, data, { imageSize: 32 });
        await until(run, 'step');
        setTimeout(() => process.exit(9), 50);`,
      ),
    );
    assert.equal(busy.code, 9, busy.stderr);
  });

  it('comes by an uncaught throw, with code 1 and its message', async (t) => {
    const source = program(
      await tinyGround(t),
      `${endless} await until(run, 'step'); setTimeout(() => { throw new Error('thrown on purpose'); }, 20);`,
    );
    const { code, stderr } = await runProcess(source);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /Error: thrown on purpose/);
  });

  it('comes by a throw in the body of an iteration that nobody catches', async (t) => {
    const source = program(
      await tinyGround(t),
      `${endless} for await (const event of run) if (event.type === 'step') throw new Error('thrown on purpose');`,
    );
    const { code, stderr } = await runProcess(source);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /Error: thrown on purpose/);
  });

  it('comes by itself when a run that nobody reads is over', async (t) => {
    const source = program(await tinyGround(t), `train(await create(), data, options);`);
    const { code, stderr } = await runProcess(source);
    assert.equal(code, 0, stderr);
  });

  it('of a worker thread is that of the thread alone', async (t) => {
    const ground = await tinyGround(t);
    const ending = (how: string): string =>
      moduleUrl(
        program({ ...ground, out: `${ground.out}/${how.length}` }, `${endless} await until(run, 'step'); ${how}`),
      ).href;
    const source = program(
      ground,
      `
      import { Worker } from 'node:worker_threads';
      const run = train(await create(), data, { ...options, epochs: 10 });
      const ended = async (href) => {
        const worker = new Worker(new URL(href));
        let message = null;
        worker.on('error', (error) => { message = error.message; });
        const [code] = await new Promise((resolve) => worker.on('exit', (...args) => resolve(args)));
        return { code, message };
      };
      const hrefs = ${JSON.stringify([ending('process.exit(3);'), ending("throw new Error('on purpose');")])};
      const ends = await Promise.all(hrefs.map(ended));
      console.log(JSON.stringify({ ends, steps: (await run.result).steps }));`,
    );
    assert.deepEqual(await answerOf(source), {
      ends: [
        { code: 3, message: null },
        { code: 1, message: 'on purpose' },
      ],
      steps: 30,
    });
  });
});
