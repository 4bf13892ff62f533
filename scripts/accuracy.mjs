#!/usr/bin/env node
/**
 * `npm run accuracy`: fine-tunes and evaluates real weights on real photographs by the command line, and sets the
 * accuracies against PyTorch's. Takes tens of minutes on two cores; --only does a part, and results are kept in between.
 *
 *   node scripts/accuracy.mjs --only caltech-20/partial    runs whose name holds this word
 *   node scripts/accuracy.mjs --again                      runs done before too
 *
 * The images and weights lie beside the project, or where RESNET_TORCH_SHARED says. The table goes to docs/accuracy.md.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = join(root, 'runs', 'accuracy');
const resultsFile = join(work, 'results.json');
const page = join(root, 'docs', 'accuracy.md');

const { values: options } = parseArgs({
  options: { only: { type: 'string', default: '' }, again: { type: 'boolean', default: false } },
});

/** PyTorch's figures on the same data, weights, epochs and sizes: bf16 autocast, channels-last, best epoch, mean of two seeds. */
const evaluation = { images: 2020, top1: 814, within: 2, top5: 0.6599, loss: 2.5935 };
const fineTuning = [
  { data: 'hymenoptera', epochs: 10, strategy: 'feature-extraction', top1: 0.791, seeds: [0, 1] },
  { data: 'hymenoptera', epochs: 10, strategy: 'partial', top1: 0.788, seeds: [0, 1] },
  { data: 'hymenoptera', epochs: 10, strategy: 'differential', top1: 0.794, seeds: [0, 1] },
  { data: 'caltech-20', epochs: 5, strategy: 'feature-extraction', top1: 0.695, seeds: [0, 1] },
  { data: 'caltech-20', epochs: 5, strategy: 'partial', top1: 0.463, seeds: [0, 1] },
  { data: 'caltech-20', epochs: 5, strategy: 'differential', top1: 0.718, seeds: [0, 1] },
  { data: 'caltech-20', epochs: 5, strategy: 'differential', scratch: true, top1: 0.088, seeds: [0] },
];
const within = 0.03;

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * The last JSON line that a command of the package prints.
 *
 * @param {readonly string[]} args
 */
function command(args) {
  say(`resnet-torch ${args.join(' ')}`);
  const cli = join(root, 'bin', 'resnet-torch.js');
  const { status, stdout } = spawnSync(process.execPath, [cli, ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`resnet-torch ${args[0]} ended with code ${status}`);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

/** Links that hold back every fifth file of a class, in sorted order, from the fifth. @param {string} source */
function heldBack(source) {
  const folder = join(work, 'caltech-20-split');
  rmSync(folder, { recursive: true, force: true });
  for (const name of readdirSync(source).sort()) {
    for (const [index, file] of readdirSync(join(source, name)).sort().entries()) {
      const split = index % 5 === 4 ? 'val' : 'train';
      mkdirSync(join(folder, split, name), { recursive: true });
      symlinkSync(join(source, name, file), join(folder, split, name, file));
    }
  }
  return folder;
}

/** @returns {Record<string, any>} */
function readResults() {
  return existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : {};
}

/** Does what is chosen and not yet done. @param {string} name @param {() => unknown} compute */
function once(name, compute) {
  if (!name.includes(options.only)) return;
  if (readResults()[name] !== undefined && !options.again) return;
  const value = compute();
  // Read again: parts may run beside each other.
  writeFileSync(resultsFile, JSON.stringify({ ...readResults(), [name]: value }, null, 1));
}

/** @param {(typeof fineTuning)[number]} c @param {number} seed */
const nameOf = (c, seed) => `${c.data}/${c.strategy}${c.scratch ? '-from-random-weights' : ''}/${seed}`;

/** @param {string} shared */
function computeAll(shared) {
  const weights = join(shared, 'weights', 'resnet50-tiny-imagenet-64px.safetensors');
  const images = ['--image-size', '64', '--resize', '64', '--precision', 'fp32'];
  const validation = join(shared, 'data', 'tiny-imagenet-val');
  once('tiny-imagenet-val', () => command(['eval', weights, validation, ...images, '--json']));
  for (const c of fineTuning) {
    for (const seed of c.seeds) {
      once(nameOf(c, seed), () => {
        const source = join(shared, 'data', c.data);
        const data = c.data === 'caltech-20' ? heldBack(source) : source;
        const out = join(work, nameOf(c, seed));
        const what = [
          '--strategy',
          c.strategy,
          '--weights',
          c.scratch ? 'none' : weights,
          '--epochs',
          String(c.epochs),
        ];
        const size = ['--image-size', '96', '--resize', '110', '--seed', String(seed)];
        const result = command(['train', data, '--out', out, '--overwrite', ...what, ...size, '--json']);
        rmSync(join(out, 'checkpoints'), { recursive: true, force: true });
        return result.best;
      });
    }
  }
}

/** @param {number} value */
const fixed = (value) => value.toFixed(3);

function tables() {
  const results = readResults();
  const failures = [];
  const lines = [];
  const evaluated = results['tiny-imagenet-val'];
  lines.push('| top-1, top-5, loss on tiny-imagenet-val, 64 px as they are, float32 | figure |', '|---|---|');
  lines.push(
    `| PyTorch | ${(evaluation.top1 / evaluation.images).toFixed(4)} (${evaluation.top1} of ${evaluation.images}), ${evaluation.top5}, ${evaluation.loss} |`,
  );
  if (evaluated === undefined) lines.push('| resnet-torch | not run |');
  else {
    const right = Math.round(evaluated.top1 * evaluated.images);
    lines.push(
      `| resnet-torch | ${evaluated.top1.toFixed(4)} (${right} of ${evaluated.images}), ${evaluated.top5.toFixed(4)}, ${evaluated.loss.toFixed(4)} |`,
    );
    if (Math.abs(right - evaluation.top1) > evaluation.within) failures.push('tiny-imagenet-val');
  }
  lines.push(
    '',
    '| data, epochs | strategy | PyTorch | resnet-torch: mean (each seed that was run) | difference |',
    '|---|---|---|---|---|',
  );
  for (const c of fineTuning) {
    const name = `| ${c.data}, ${c.epochs} | ${c.strategy}${c.scratch ? ' from random weights' : ''} | ${fixed(c.top1)} |`;
    const found = c.seeds.map((seed) => results[nameOf(c, seed)]?.top1).filter((top1) => top1 !== undefined);
    if (found.length === 0) {
      lines.push(`${name} not run | |`);
      continue;
    }
    const mean = found.reduce((sum, top1) => sum + top1, 0) / found.length;
    const difference = mean - c.top1;
    lines.push(
      `${name} ${fixed(mean)} (${found.map(fixed).join(', ')}) | ${difference < 0 ? '−' : '+'}${fixed(Math.abs(difference))} |`,
    );
    // A mean above PyTorch's has reached it.
    if (difference < -within) failures.push(nameOf(c, 0).replace(/\/0$/, ''));
  }
  return { text: lines.join('\n'), failures };
}

const paths = join(root, 'dist', 'test', 'support', 'paths.js');
if (!existsSync(paths) || !existsSync(join(root, 'dist', 'src', 'cli', 'cli.js'))) {
  say('The package is not built: run `npm run setup`.');
  process.exit(1);
}
const { sharedRoot } = await import(paths);
const shared = sharedRoot();
if (shared === null) {
  say(
    'The images and weights that this needs do not lie beside the project (RESNET_TORCH_SHARED names their folder): nothing was run.',
  );
  process.exit(0);
}
mkdirSync(work, { recursive: true });
computeAll(shared);
const { text, failures } = tables();
process.stdout.write(`${text}\n`);
const [begin, end] = ['<!-- tables -->', '<!-- end of tables -->'];
const [head, rest = ''] = readFileSync(page, 'utf8').split(begin);
writeFileSync(page, `${head}${begin}\n${text}\n${end}${rest.split(end)[1] ?? '\n'}`);
if (failures.length > 0) say(`Below PyTorch by more than ${within} (or two images off): ${failures.join(', ')}`);
process.exitCode = failures.length > 0 ? 1 : 0;
