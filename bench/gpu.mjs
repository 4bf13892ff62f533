#!/usr/bin/env node
/** `npm run bench:gpu`: see --help, and docs/benchmarks.md. */

import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { byClass } from './gpu/classes.mjs';
import { help, parseOptions } from './gpu/options.mjs';
import { gpuPython, provideGpuPython } from './gpu/peer.mjs';
import { render } from './gpu/report.mjs';
import { runChild } from './lib/children.mjs';
import { interruptible } from './lib/interrupt.mjs';
import { bench, built, root, script, work } from './lib/places.mjs';
import { say } from './lib/say.mjs';

/** @typedef {ReturnType<typeof parseOptions>} Options */
/** @typedef {import('./gpu/report.mjs').Row} Row */

const [imageSize, resize] = [224, 256];
const device = 'cuda';

/** @param {readonly string[]} args @param {AbortSignal} signal */
async function setup(args, signal) {
  const { code } = await runChild(process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], {
    show: true,
    signal,
  });
  if (code !== 0) throw new Error('The set-up of the project failed; its output is above.');
}

/** @param {string} stderr */
function reason(stderr) {
  return stderr.trimEnd().split('\n').at(-1)?.slice(0, 200) || 'it did not say why';
}

/** Of a child that prints its result as the last line. @param {string} program @param {readonly string[]} args @param {AbortSignal} signal */
async function ask(program, args, signal) {
  const { code, stdout, stderr } = await runChild(program, args, { signal, env: { RESNET_TORCH_VARIANT: 'cuda' } });
  if (code !== 0) return { notRun: reason(stderr) };
  return { notRun: null, ...JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') };
}

/**
 * @param {{ what: string, precision: 'bf16' | 'fp16', batch: number, more?: object, imageChannels?: 3 }} row
 * @param {{ data: string, options: Options, signal: AbortSignal }} plan
 * @returns {Promise<Row>}
 */
async function ours({ what, precision, batch, more = {}, imageChannels }, { data, options, signal }) {
  const job = {
    data,
    device,
    precision,
    batchSize: batch,
    epochs: options.epochs,
    imageSize,
    resize,
    more,
    imageChannels,
  };
  const workers = Math.max(1, availableParallelism() - 1);
  const answer = await ask(process.execPath, [script('gpu/ours.mjs'), JSON.stringify({ ...job, workers })], signal);
  const row = { what, precision, batch, notRun: answer.notRun };
  if (answer.notRun !== null) return row;
  const { images, seconds, profile } = answer.recorded;
  const { classes, busy, longest } = byClass(profile);
  const count = images / batch;
  return {
    ...row,
    imagesPerSecond: answer.imagesPerSecond,
    startSeconds: answer.startSeconds,
    step: {
      convolution: classes.convolution / count,
      norm: classes.norm / count,
      rest: classes.rest / count,
      idle: Math.max(0, 1000 * seconds - busy) / count,
    },
    longest,
  };
}

/**
 * @param {{ what: string, precision: 'bf16' | 'fp16', batch: number, flags: readonly string[] }} row
 * @param {{ data: string, options: Options, signal: AbortSignal, peer: string | null }} plan
 * @returns {Promise<Row>}
 */
async function theirs({ what, precision, batch, flags }, { data, options, signal, peer }) {
  if (peer !== null) return { what, precision, batch, notRun: peer };
  const sizes = ['--batch-size', String(batch), '--epochs', String(options.epochs), '--size', String(imageSize)];
  const args = [script('peers/torchvision_gpu.py'), data, '--precision', precision, ...sizes, ...flags];
  const answer = await ask(gpuPython, ['-B', ...args, '--resize', String(resize)], signal);
  return { what, precision, batch, notRun: answer.notRun, imagesPerSecond: answer.imagesPerSecond };
}

/** @param {Options} options @param {AbortSignal} signal */
async function run(options, signal) {
  await setup(['--typescript'], signal);
  const { cudaHost } = await import(built('native/variants.js'));
  if (!cudaHost().deviceSeen) {
    say('no GPU: not run');
    return;
  }
  await setup(['--native', '--device', 'cuda'], signal);
  process.env.RESNET_TORCH_VARIANT = 'cuda';
  const { native } = await import(built('native/load.js'));
  const { cudaVersion, cudnnVersion } = await import(built('native/cuda.js'));
  const status = native().cudaStatus();
  const [card] = status.devices;
  if (card === undefined)
    throw new Error(`CUDA finds no device: ${status.errorText}. \`npx resnet-torch doctor\` says what to do.`);
  const { makePhotographs } = await import('./lib/photographs.mjs');
  const folder = join(work, `photographs-gpu-${options.images}`);
  const data = await makePhotographs(folder, { train: options.images, val: 4, width: 320, height: 240, signal });
  const peer = options.peer ? await provideGpuPython(signal) : 'left out by --no-peer';
  const results = {
    device: card.name,
    date: new Date().toISOString().slice(0, 10),
    size: imageSize,
    versions: {
      libtorch: native().info().runtimeLibtorch,
      CUDA: cudaVersion(status.runtime),
      cuDNN: cudnnVersion(status.cudnn),
    },
    rows: /** @type {Row[]} */ ([]),
  };
  const plan = { data, options, signal, peer };
  for (const precision of /** @type {('bf16' | 'fp16')[]} */ (options.precisions)) {
    for (const batch of options.batches) {
      const job = { precision, batch };
      results.rows.push(await ours({ ...job, what: 'resnet-torch' }, plan));
      results.rows.push(
        await ours({ ...job, what: 'resnet-torch, 3 channels in the stem, not 4', imageChannels: 3 }, plan),
      );
      results.rows.push(await ours({ ...job, what: 'resnet-torch, captured step', more: { cudaGraph: true } }, plan));
      results.rows.push(await theirs({ ...job, what: 'torchvision, its own loader', flags: [] }, plan));
      results.rows.push(await theirs({ ...job, what: 'torchvision, no loading', flags: ['--resident'] }, plan));
      const flags = ['--resident', '--compile'];
      results.rows.push(await theirs({ ...job, what: 'torchvision, no loading, torch.compile', flags }, plan));
      for (const row of results.rows.slice(-6))
        say(
          `${row.what.padEnd(44)} ${precision} ${batch}: ${row.notRun ?? `${row.imagesPerSecond?.toFixed(0)} images a second`}`,
        );
      writeFileSync(join(bench, 'gpu.json'), `${JSON.stringify(results, null, 1)}\n`);
      writeFileSync(join(bench, 'GPU.md'), render(results));
    }
  }
  say(`Written to ${join(bench, 'GPU.md')}`);
  if (options.json) process.stdout.write(readFileSync(join(bench, 'gpu.json'), 'utf8'));
}

/** @type {Options | undefined} */
let options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  say(`${error instanceof Error ? error.message : error}\nSee npm run bench:gpu -- --help.`);
  process.exitCode = 2;
}
if (options?.help) process.stdout.write(`${help}\n`);
else if (options !== undefined) {
  const chosen = options;
  await interruptible((signal) => run(chosen, signal));
}
