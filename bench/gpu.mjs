#!/usr/bin/env node
/** `npm run bench:gpu`: see --help, and docs/benchmarks.md. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { measure } from './gpu/measure.mjs';
import { help, parseOptions } from './gpu/options.mjs';
import { gpuPython, provideGpuPython } from './gpu/peer.mjs';
import { linkedPhotographs } from './gpu/photographs.mjs';
import { render } from './gpu/report.mjs';
import { runChild } from './lib/children.mjs';
import { interruptible } from './lib/interrupt.mjs';
import { bench, built, root, work } from './lib/places.mjs';
import { say } from './lib/say.mjs';

/** @typedef {import('./gpu/options.mjs').Options} Options */
/** @typedef {import('./gpu/report.mjs').Results} Results */

const [imageSize, cropFrom] = [224, 256];
const device = 'cuda';

/** @param {readonly string[]} args @param {AbortSignal} signal */
async function setup(args, signal) {
  const { code } = await runChild(process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], {
    show: true,
    signal,
  });
  if (code !== 0) throw new Error('The set-up of the project failed; its output is above.');
}

/** torchvision's Python, and why there is none. @param {Options} options @param {AbortSignal} signal */
async function pythonFor({ python, rows }, signal) {
  if (python !== undefined) return { python, noPython: '' };
  if (rows.every(({ theirs }) => theirs === undefined)) return { python: null, noPython: 'left out' };
  const noPython = await provideGpuPython(signal);
  return noPython === null ? { python: gpuPython, noPython: '' } : { python: null, noPython };
}

/** Rows of the same card and libtorch that were measured before. @param {string} file @param {Omit<Results, 'rows'>} now */
function earlierRows(file, now) {
  if (!existsSync(file)) return [];
  const { rows, ...then } = /** @type {Results} */ (JSON.parse(readFileSync(file, 'utf8')));
  const same = JSON.stringify({ ...then, date: '' }) === JSON.stringify({ ...now, date: '' });
  if (!same) throw new Error(`--add: ${file} is of another device, size or libtorch. Name another folder by --out.`);
  return rows;
}

/** @param {Options} options @param {AbortSignal} signal */
async function run(options, signal) {
  if (!options.asBuilt) await setup(['--typescript'], signal);
  const { cudaHost } = await import(built('native/variants.js'));
  if (!cudaHost().deviceSeen) {
    say('no GPU: not run');
    return;
  }
  if (!options.asBuilt) await setup(['--native', '--device', 'cuda'], signal);
  process.env.RESNET_TORCH_VARIANT = 'cuda';
  const { native } = await import(built('native/load.js'));
  const { cudaVersion, cudnnVersion } = await import(built('native/cuda.js'));
  const status = native().cudaStatus();
  const [card] = status.devices;
  if (card === undefined)
    throw new Error(`CUDA finds no device: ${status.errorText}. \`npx resnet-torch doctor\` says what to do.`);
  const folder = options.out === undefined ? bench : resolve(options.out);
  mkdirSync(folder, { recursive: true });
  const [json, page] = [join(folder, 'gpu.json'), join(folder, 'GPU.md')];
  const about = {
    device: card.name,
    date: new Date().toISOString().slice(0, 10),
    size: imageSize,
    versions: {
      libtorch: native().info().runtimeLibtorch,
      CUDA: cudaVersion(status.runtime),
      cuDNN: cudnnVersion(status.cudnn),
    },
  };
  /** @type {Results} */
  const results = { ...about, rows: options.add ? earlierRows(json, about) : [] };
  const place = join(work, `photographs-gpu-${options.images}`);
  const data = await linkedPhotographs(place, { train: options.images, val: 4, signal });
  const peer = await pythonFor(options, signal);
  const plan = { data, device, imageSize, resize: cropFrom, options, ...peer, signal };
  for (const precision of options.precisions) {
    for (const batch of options.batches) {
      for (const kind of options.rows) {
        const row = await measure(kind, precision, batch, plan);
        results.rows = [...results.rows, row];
        const speed =
          row.notRun === null ? `${row.imagesPerSecond?.toFixed(0)} images a second` : `not run: ${row.notRun}`;
        say(`${row.what.padEnd(44)} ${precision} ${batch}: ${speed}`);
        writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`);
        writeFileSync(page, render(results));
      }
    }
  }
  say(`Written to ${page}`);
  if (options.json) process.stdout.write(readFileSync(json, 'utf8'));
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
