import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerOf, program, tinyGround } from './support/programs.js';

interface Figures {
  readonly before: number;
  readonly during: number;
  readonly after: number;
}

/** Megabytes of a process before it makes things and forgets them, while it has them, and after their collection. */
const measured = `
  const measured = async (make) => {
    const held = [await make(0)];
    held.length = 0;
    const before = await resident();
    for (let i = 1; i <= 3; i++) held.push(await make(i));
    const during = process.memoryUsage.rss() / 1e6;
    held.length = 0;
    console.log(JSON.stringify({ before, during, after: await resident() }));
  };
  const images = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
  const shape = [1, 3, 64, 64];`;

describe('what is forgotten without dispose()', () => {
  for (const [what, make, each] of [
    ['models', `const model = await create({ seed }); await model.forward(images, shape); return model;`, 100],
    [
      'training sessions, with their models',
      `const model = await create({ seed });
       const session = new TrainingSession(model, { groups: groups.uniform(model.units(), { lr: 1e-3 }), optimizer: 'adam' });
       await session.step(images, Int32Array.of(1), { shape });
       return session;`,
      300,
    ],
    [
      'predictors',
      `const model = await create({ seed });
       await model.save(join(out, 'model.safetensors'));
       model.dispose();
       const predictor = await Predictor.load(join(out, 'model.safetensors'), { device: 'cpu', imageSize: 32, workers: 1 });
       await predictor.predict(photo);
       return predictor;`,
      100,
    ],
  ] as const) {
    it(`${what}: gives its memory back when it is collected`, async (t) => {
      const source = `${measured} await measured(async (seed) => { ${make} });`;
      const figures = await answerOf<Figures>(program(await tinyGround(t), source));
      const { before, during, after } = figures;
      assert.ok(during > before + 2.5 * each, JSON.stringify(figures));
      assert.ok(after < before + 0.5 * each, JSON.stringify(figures));
    });
  }

  it('passes over a data set: their threads end', { skip: process.platform !== 'linux' }, async (t) => {
    const source = `
      import { readdirSync } from 'node:fs';
      const threads = () => readdirSync('/proc/self/task').length;
      const pass = async () => {
        const iteration = data.batches({ split: 'all', batchSize: 1, imageSize: 32, workers: 4 })[Symbol.asyncIterator]();
        await iteration.next();
        return iteration;
      };
      await pass();
      await resident();
      const before = threads();
      const held = [await pass(), await pass(), await pass()];
      const during = threads();
      held.length = 0;
      await resident();
      console.log(JSON.stringify({ before, during, after: threads() }));`;
    const figures = await answerOf<Figures>(program(await tinyGround(t), source));
    assert.ok(figures.during >= figures.before + 6, JSON.stringify(figures));
    assert.ok(figures.after <= figures.before + 1, JSON.stringify(figures));
  });

  it('in the middle of a call is kept until the call is over', async (t) => {
    const source = `
      const images = new Float32Array(8 * 3 * 64 * 64);
      const forgotten = async () => (await create()).forward(images, [8, 3, 64, 64]);
      const calls = [forgotten(), forgotten()];
      for (let i = 0; i < 20; i++) { gc(); await sleep(10); }
      const [a, b] = await Promise.all(calls);
      const run = (async () => train(await create(), data, options))();
      for (let i = 0; i < 20; i++) { gc(); await sleep(10); }
      const { steps } = await (await run).result;
      console.log(JSON.stringify({ equal: a.data.every((value, i) => value === b.data[i]), steps }));`;
    assert.deepEqual(await answerOf(program(await tinyGround(t), source)), { equal: true, steps: 6 });
  });

  it('is collected in time by a V8 that is told of native memory, and that nobody asks', async (t) => {
    const source = `
      const rss = [];
      for (let seed = 0; seed < 10; seed++) {
        const model = await create({ seed });
        await model.forward(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
        rss.push(process.memoryUsage.rss() / 1e6);
      }
      console.log(JSON.stringify({ before: rss[0], during: Math.max(...rss), after: rss.at(-1) }));`;
    const figures = await answerOf<Figures>(program(await tinyGround(t), source));
    // Nine more models are nearly two gigabytes, with what is compiled of them.
    assert.ok(figures.during < figures.before + 1000, JSON.stringify(figures));
  });
});
