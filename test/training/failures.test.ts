import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Dataset } from '../../src/data/dataset.js';
import { type ErrorCode, ResnetTorchError } from '../../src/errors.js';
import type { ResNet50 } from '../../src/model/resnet50.js';
import type { TrainOptions } from '../../src/training/options.js';
import type { TrainingRun } from '../../src/training/run.js';
import { train } from '../../src/training/train.js';
import { program, runProcess, tinyGround } from '../safety/support/programs.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyModel, tinyOptions } from './support/tiny.js';

/** The code that a call throws at once, or null where it gives a run, which may fail as it likes. */
function thrown(model: ResNet50, data: unknown, options: unknown): ErrorCode | null {
  let run: TrainingRun;
  try {
    run = train(model, data as Dataset, options as TrainOptions);
  } catch (error) {
    assert.ok(error instanceof ResnetTorchError, String(error));
    return error.code;
  }
  run.result.catch(() => undefined);
  return null;
}

describe('a mistake in the arguments of train()', () => {
  const mistakes: Readonly<Record<string, unknown>> = {
    'options that are none': 7,
    'an unknown option': { epoch: 3 },
    'a number out of range': { epochs: 0 },
    'a number that is none': { batchSize: Number.NaN },
    'a number as text': { imageSize: '224' },
    'an unknown word': { precision: 'fp8' },
    'an unknown strategy': { strategy: 'fulll' },
    'an unknown unit': { freeze: { until: 'layer5' } },
    'a rate of 0': { lr: 0 },
    'groups that are none': { groups: [] },
    'an optimizer out of range': { optimizer: { kind: 'sgd', momentum: 2 } },
    'a schedule out of range': { schedule: { kind: 'cosine', floor: 2 } },
    'a loss scale without fp16': { precision: 'fp32', lossScale: 8 },
    'a CUDA graph on the CPU': { cudaGraph: true },
    'an out that is no path': { out: 3 },
    'an empty out': { out: '' },
    'resume without out': { resume: true },
    'resume with overwrite': { out: 'x', resume: true, overwrite: true },
    'resume with settings': { out: 'x', resume: true, lr: 1 },
    'a signal that is none': { signal: {} },
    'a callback that is none': { onEpoch: 'stop' },
  };
  for (const [what, options] of Object.entries(mistakes)) {
    it(`is thrown at once: ${what}`, async (t) => {
      const data = await tinyData(t);
      using model = await tinyModel();
      assert.equal(thrown(model, data, options), 'ERR_INVALID_ARGUMENT');
      // The model is free: nothing began.
      model.dispose();
    });
  }

  it('is thrown at once: no model, no data, a model or data that were disposed of, a model in use', async (t) => {
    const data = await tinyData(t);
    const model = await tinyModel();
    t.after(() => model.dispose());
    assert.equal(thrown({} as ResNet50, data, {}), 'ERR_INVALID_ARGUMENT');
    assert.equal(thrown(model, 'data/bees', {}), 'ERR_INVALID_ARGUMENT');
    assert.equal(thrown(model, null, {}), 'ERR_INVALID_ARGUMENT');
    const gone = await tinyData(t);
    gone.dispose();
    assert.equal(thrown(model, gone, {}), 'ERR_DISPOSED');
    const dead = await tinyModel();
    dead.dispose();
    assert.equal(thrown(dead, data, {}), 'ERR_DISPOSED');
    const run = train(model, data, { ...tinyOptions, freeze: 'backbone', epochs: 1 });
    assert.equal(thrown(model, data, {}), 'ERR_BUSY');
    await run.result;
  });
});

describe('what only files, images or training show', () => {
  it('rejects the run, and is never thrown by the call', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const folder = await temporaryDirectory(t);
    const rejects = async (options: TrainOptions, code: ErrorCode) => {
      const run = train(model, data, options);
      await assert.rejects(run.result, { name: 'ResnetTorchError', code });
    };
    await rejects({ ...tinyOptions, out: '/proc/none' }, 'ERR_FILE');
    await rejects({ out: `${folder}/none`, resume: true }, 'ERR_CHECKPOINT');
    const { warmupEpochs: _, ...rest } = tinyOptions;
    await rejects({ ...rest, schedule: () => Number.NaN }, 'ERR_INVALID_ARGUMENT');
    const reason = new Error('no');
    await assert.rejects(
      train(model, data, { ...tinyOptions, signal: AbortSignal.abort(reason) }).result,
      (error) => error === reason,
    );
  });
});

describe('a run that fails', () => {
  const failing = `
    const model = await create();
    const { warmupEpochs: _, ...rest } = options;
    const run = train(model, data, { ...rest, schedule: () => NaN });`;
  const surfaces = [
    ['nobody reads', ''],
    ['nobody reads to its end', `for await (const event of run) if (event.type === 'start') break;`],
    [
      'only those read that have given up',
      `const reader = run[Symbol.asyncIterator](); await reader.next(); await reader.return();`,
    ],
  ] as const;
  for (const [what, reading] of surfaces) {
    it(`and that ${what} ends the process, as an unhandled rejection does`, async (t) => {
      const { code, stderr } = await runProcess(
        program(await tinyGround(t), `${failing} ${reading} await sleep(60_000);`),
      );
      assert.equal(code, 1, stderr);
      assert.match(stderr, /ResnetTorchError: The schedule must give a finite number/);
    });
  }

  const heard = [
    ['awaits its result', `await run.result.catch((error) => console.log(error.code));`],
    ['iterates', `try { for await (const event of run); } catch (error) { console.log(error.code); }`],
    [
      'iterates slowly',
      `try {
         for await (const event of run) await sleep(200);
       } catch (error) { console.log(error.code); }`,
    ],
    [
      'iterates, and looks at its result later',
      `try { for await (const event of run); } catch {}
       await sleep(50);
       await run.result.catch((error) => console.log(error.code));`,
    ],
  ] as const;
  for (const [what, reading] of heard) {
    it(`tells whoever ${what}, once`, async (t) => {
      const { code, stdout, stderr } = await runProcess(
        program(await tinyGround(t), `${failing} ${reading} await sleep(20);`),
      );
      assert.equal(code, 0, stderr);
      assert.equal(stdout, 'ERR_INVALID_ARGUMENT\n');
    });
  }
});
