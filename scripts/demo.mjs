#!/usr/bin/env node
/**
 * `npm run demo`: sets up what is missing, draws a small data set, fine-tunes on it and predicts on images that training
 * never saw. Everything goes to runs/demo.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { byteProgress } from './setup/output.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'runs', 'demo');
const data = join(folder, 'data');
const run = join(folder, 'run');

/** Flags of `train`. From random weights there is more to learn, and no early layer to be careful with. */
const training = {
  'imagenet-v2': ['--strategy', 'differential', '--lr', '3e-4', '--epochs', '4', '--augment', 'flip'],
  none: [
    '--strategy',
    'full',
    '--head',
    'linear',
    '--lr',
    '1e-3',
    '--batch-size',
    '16',
    '--epochs',
    '10',
    '--augment',
    'flip',
  ],
};

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

/** @param {string} path */
const shown = (path) => relative(process.cwd(), path) || '.';

/** @param {readonly string[]} args @param {'inherit' | 'pipe'} output */
function node(args, output = 'inherit') {
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', output, 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) process.exit(status ?? 130);
  return stdout;
}

/** @param {readonly string[]} args @param {'inherit' | 'pipe'} [output] */
function cli(args, output) {
  say(`\n> resnet-torch ${args.map((arg) => (arg.startsWith(root) ? shown(arg) : arg)).join(' ')}`);
  return node([join(root, 'bin', 'resnet-torch.js'), ...args], output);
}

/** @returns {Promise<'imagenet-v2' | 'none'>} */
async function chooseWeights() {
  const module = pathToFileURL(join(root, 'dist', 'src', 'model', 'weights', 'index.js')).href;
  const { resolveWeights } = await import(module);
  say('Looking for ImageNet weights (about 100 MB, downloaded once) …');
  try {
    /** @type {ReturnType<typeof byteProgress> | undefined} */
    let progress;
    let seen = 0;
    await resolveWeights('imagenet-v2', {
      onProgress: (/** @type {number} */ bytes, /** @type {number | null} */ total) => {
        progress ??= byteProgress('download', total);
        progress.add(bytes - seen);
        seen = bytes;
      },
    });
    progress?.end();
    return 'imagenet-v2';
  } catch (error) {
    const code = /** @type {{ code?: string }} */ (error).code;
    if (code !== 'ERR_WEIGHTS_UNAVAILABLE' && code !== 'ERR_DOWNLOAD') throw error;
    say(`They cannot be had here: ${/** @type {Error} */ (error).message.split('\n')[0]}`);
    say('So this demo starts from RANDOM weights: it shows that training works, not what fine-tuning can do.');
    return 'none';
  }
}

/** @returns {{ best: { epoch: number, top1: number, loss: number } }} the last event of the run */
function resultOf() {
  const lines = readFileSync(join(run, 'events.jsonl'), 'utf8').trim().split('\n');
  return JSON.parse(String(lines.at(-1)));
}

/**
 * @typedef {{ file: string, predictions: readonly { label: string, probability: number }[] }} Prediction
 * @param {readonly Prediction[]} predictions
 */
function showPredictions(predictions) {
  let right = 0;
  for (const {
    file,
    predictions: [best],
  } of predictions) {
    const name = relative(join(data, 'unseen'), file.startsWith('/') ? file : join(root, file));
    const isRight = best !== undefined && name.startsWith(`${best.label}-`);
    if (isRight) right++;
    say(
      `  ${name.padEnd(18)} ${String(best?.label).padEnd(9)} ${((best?.probability ?? 0) * 100).toFixed(0).padStart(3)}%  ${isRight ? '✓' : '✗'}`,
    );
  }
  return right;
}

node([join(root, 'scripts', 'setup.mjs')]);

const start = Date.now();
const { counts, makeDataset } = await import('./demo/dataset.mjs');
const { shapes } = await import('./demo/draw.mjs');
if (!existsSync(join(data, 'unseen'))) {
  say(
    `\nDrawing ${shapes.join(', ')}: ${counts.train} images of each to train on, ${counts.val} to validate, ${counts.unseen} kept unseen …`,
  );
  await rm(data, { recursive: true, force: true });
  await makeDataset(data);
}
const weights = await chooseWeights();
cli([
  'train',
  data,
  '--out',
  run,
  '--overwrite',
  '--weights',
  weights,
  '--image-size',
  '64',
  '--resize',
  '64',
  ...training[weights],
]);
const { images: predicted } = JSON.parse(cli(['predict', run, join(data, 'unseen'), '--json'], 'pipe'));
const right = showPredictions(predicted);

const { best } = resultOf();
say(
  `\nValidation accuracy ${(best.top1 * 100).toFixed(0)}%, unseen images ${right} of ${predicted.length} right; chance would be ${100 / shapes.length}%.`,
);
say(
  `Starting weights: ${weights === 'none' ? 'random' : weights}. Time after set-up: ${((Date.now() - start) / 1000).toFixed(0)} s.`,
);
say(
  `\nThe images:  ${shown(data)}\nThe run:     ${shown(run)} (config.json, events.jsonl, best.safetensors, checkpoints/)`,
);
say(
  `Try:         npx resnet-torch predict ${shown(run)} FILE\n             npx resnet-torch eval ${shown(run)} ${shown(data)}`,
);
