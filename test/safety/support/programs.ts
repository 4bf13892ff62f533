import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot, temporaryDirectory } from '../../support/paths.js';
import { tinyFolder } from '../../training/support/tiny.js';

/** What a program is given: a folder of images, and one to write to. */
export interface Ground {
  readonly images: string;
  readonly out: string;
}

export async function tinyGround(t: TestContext): Promise<Ground> {
  return { images: await tinyFolder(t), out: await temporaryDirectory(t) };
}

/**
 * A module that uses the package as its users do. Before `body` there are the package's exports as `api`, an opened data
 * set `data`, `create()` for a model, small `options` of `train()`, `sleep(ms)`, and `resident()`: megabytes that the
 * process holds once caches of freed memory were given back.
 */
export function program({ images, out }: Ground, body: string, root = projectRoot): string {
  return `
    import { join } from 'node:path';
    import { setTimeout as sleep } from 'node:timers/promises';
    const api = await import(${JSON.stringify(pathToFileURL(join(root, 'dist/src/index.js')).href)});
    const { openDataset, ResNet50, Predictor, TrainingSession, evaluate, groups, train } = api;
    const out = ${JSON.stringify(out)};
    const data = await openDataset(${JSON.stringify(images)}, { workers: 1 });
    const photo = data.splits.val.files[0].path;
    const create = (o = {}) =>
      ResNet50.create({ classes: data.classes, weights: 'none', device: 'cpu', seed: 1, ...o });
    const options = {
      strategy: 'full', freeze: { until: 'layer4.1' }, schedule: 'constant', warmupEpochs: 0, lr: 1e-3, epochs: 2,
      batchSize: 4, imageSize: 32, resize: 36, seed: 5, workers: 1, precision: 'fp32', cache: 'off',
    };
    const resident = async () => {
      await sleep(1200);
      globalThis.gc?.();
      await sleep(1200);
      return process.memoryUsage.rss() / 1e6;
    };
    /** Reads a run until an event of some kind. */
    const until = async (run, type) => {
      for await (const event of run) if (event.type === type) return event;
    };
    ${body}`;
}

export interface ProcessResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a module in a process of its own, on one thread unless `env` says otherwise, that may collect its garbage. */
export async function runProcess(source: string, env: NodeJS.ProcessEnv = {}): Promise<ProcessResult> {
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', source], {
    env: { ...process.env, OMP_NUM_THREADS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 900_000,
    killSignal: 'SIGKILL',
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, ...said };
}

/** What a program printed as its last line of JSON. */
export async function answerOf<T>(source: string, env: NodeJS.ProcessEnv = {}): Promise<T> {
  const { code, stdout, stderr, signal } = await runProcess(source, env);
  if (code !== 0) throw new Error(`The program ended with ${code ?? signal}:\n${stderr}`);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as T;
}

/** A module as an address that a worker thread can begin with. */
export function moduleUrl(source: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}
