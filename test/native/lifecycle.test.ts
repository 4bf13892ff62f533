import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';

const addon = new URL('../../src/native/load.js', import.meta.url).href;

/** Forward passes on a small random model, over and over; the sum of the first logits. */
const work = `
  const { native } = await import(${JSON.stringify(addon)});
  const shape = [4, 3, 64, 64];
  const images = Float32Array.from({ length: 4 * 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
  const forward = async (times) => {
    const options = { arch: 'resnet50', classes: 3, hidden: [], dropout: 0, dtype: 'float32', device: 'cpu', seed: 1 };
    const model = new (native().Model)(options);
    let sum = 0;
    for (let i = 0; i < times; i++) {
      sum += (await model.forward(images, shape, { output: 'logits', compute: 'dtype' }))[0];
    }
    model.dispose();
    return sum;
  };
`;

/** Runs a module in a process of its own. */
function run(source: string): { status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--input-type=module', '-e', `${work}\n${source}`], {
    encoding: 'utf8',
    timeout: 120_000,
  });
}

/** A worker thread that runs a module; it posts `forward(times)`. */
function worker(times: number): Worker {
  const source = `
    import { parentPort } from 'node:worker_threads';
    ${work}
    parentPort.postMessage('started');
    parentPort.postMessage(await forward(${times}));`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
}

function answer(of: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    of.on('message', (message: unknown) => {
      if (typeof message === 'number') resolve(message);
    });
    of.on('error', reject);
    of.on('exit', () => reject(new Error('the worker ended without an answer')));
  });
}

describe('environments and the end of the process', () => {
  it('computes in several worker threads at once, with equal results', async () => {
    const answers = await Promise.all([worker(2), worker(2), worker(2)].map(answer));
    assert.equal(new Set(answers).size, 1);
    assert.ok(Number.isFinite(answers[0]));
  });

  it('survives a worker that is terminated in the middle of its work', async () => {
    const endless = worker(1_000_000);
    endless.on('error', () => {});
    await new Promise((resolve) => endless.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await endless.terminate();
    assert.ok(Number.isFinite(await answer(worker(1))));
  });

  it('ends by process.exit() in the middle of its work, with that code', () => {
    const result = run(`void forward(1_000_000); await forward(1); setTimeout(() => process.exit(7), 50);`);
    assert.equal(result.status, 7, result.stderr);
  });

  it('ends by an uncaught throw in the middle of its work, with code 1', () => {
    const result = run(
      `void forward(1_000_000); await forward(1); setTimeout(() => { throw new Error('thrown on purpose'); }, 50);`,
    );
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stderr, /thrown on purpose/);
  });

  it('ends by itself when the work is done', () => {
    const result = run(`console.log(Number.isFinite(await forward(1)));`);
    assert.equal(result.status, 0, result.stderr);
    assert.equal(result.stdout.trim(), 'true');
  });

  it('leaves the event loop free while it computes', () => {
    const result = run(`
      await forward(1);
      let ticks = 0;
      const timer = setInterval(() => { ticks++; }, 5);
      await forward(5);
      clearInterval(timer);
      console.log(ticks);`);
    assert.equal(result.status, 0, result.stderr);
    assert.ok(Number(result.stdout) >= 5, `${result.stdout} turns of the event loop`);
  });
});
