/**
 * A program that meets a shortage and goes on: of threads (`threads <file that forbids them>`), or of memory
 * (`memory`: its parent lowers and lifts the limit when it is told to). Prints what came of it, as JSON.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { native } from '../../../src/native/load.js';
import { uniform } from './numbers.js';
import { ADAM, differing, newModel, newSession, normsOf, parametersOf, valuesOf } from './sessions.js';

const CROP = { kind: 'center', size: 32, resize: 32, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0 } as const;

const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error) => `${error.code}: ${error.message}`,
  );

async function threads(forbids: string): Promise<unknown> {
  native();
  const model = newModel();
  const pixels = { data: new Uint8Array(32 * 32 * 3).fill(120), width: 32, height: 32, channels: 3 } as const;
  const options = { compute: 'dtype', crop: CROP, workers: 2, maxBatch: 1, maxDelayMs: 0, maxPixels: 1e6 } as const;
  const predictor = new (native().Predictor)(model, options);
  const predict = () => outcome(predictor.predict(pixels, { name: 'pixels', topK: 1, features: false }));
  writeFileSync(forbids, '');
  // The executor's thread first, then the predictor's.
  const refused = [await outcome(model.read('fc.bias')), await predict(), await predict()];
  const { waiting } = predictor.stats();
  rmSync(forbids);
  const after = [await outcome(model.read('fc.bias')), await predict()];
  predictor.dispose();
  model.dispose();
  return { refused, waiting, after };
}

/** Asks the parent for something, and waits until it is done. */
async function ask(lines: AsyncIterator<string>, what: string): Promise<void> {
  process.stdout.write(`${what}\n`);
  await lines.next();
}

async function memory(): Promise<unknown> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const model = newModel();
  const twin = newModel();
  const open = (of: typeof model) =>
    newSession(of, parametersOf(of), { optimizer: { ...ADAM, kind: 'adamw' }, batchNormTraining: normsOf(of) });
  const [session, other] = [open(model), open(twin)];
  const step = (of: typeof session, count: number, side: number) =>
    of.step(
      Float32Array.from(uniform(count * 3 * side * side, 3)),
      [count, 3, side, side],
      Int32Array.from({ length: count }, (_, i) => i % 2),
      Float64Array.of(1e-3),
      { epoch: 0, samples: new Int32Array(count) },
    );
  await step(session, 2, 64);
  const before = await valuesOf(model);
  await ask(lines, 'limit');
  const refused = await outcome(step(session, 48, 224));
  await ask(lines, 'lift');
  const changed = differing(before, await valuesOf(model));
  await step(session, 2, 64);
  for (let i = 0; i < 2; i++) await step(other, 2, 64);
  return { refused, changed, apart: differing(await valuesOf(model), await valuesOf(twin)) };
}

const [what, file = ''] = process.argv.slice(2);
const result = what === 'threads' ? await threads(file) : await memory();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
