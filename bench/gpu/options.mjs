/** The command line of `npm run bench:gpu`. */

import { parseArgs } from 'node:util';
import { kinds, kindsOf } from './rows.mjs';

export const help = `npm run bench:gpu -- [options]

Trains ResNet-50 on a GPU, with this package and with torchvision on the same card, and writes bench/GPU.md and
bench/gpu.json: images a second, and where the time of a step goes beside what the card's memory allows. Where there is no GPU it
says so and ends.

  --batch N[,N]        images a step; default 64,128,256
  --precision P[,P]    bf16 and fp16; default both
  --rows R[,R]         ${kinds.map(({ name }) => name).join(', ')};
                       default all
  --epochs N           epochs that are measured; default 3
  --images N           photographs to train on; default 16384. At most 2048 are drawn; the others are links to them
  --row-seconds N      stop a row that takes longer; default 1800
  --no-peer            leave torchvision out
  --python FILE        a Python that has torch for CUDA and torchvision; default one that is installed for it
  --as-built           set nothing up: measure what is built
  --out FOLDER         where GPU.md and gpu.json go; default bench
  --add                keep the rows that are in gpu.json there
  --json               print the results as JSON
  --help               this text`;

/** @typedef {ReturnType<typeof parseOptions>} Options */

/**
 * @param {readonly string[]} args
 * @throws {RangeError | TypeError} for what is not understood
 */
export function parseOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      batch: { type: 'string', default: '64,128,256' },
      precision: { type: 'string', default: 'bf16,fp16' },
      rows: { type: 'string', default: kinds.map(({ name }) => name).join() },
      epochs: { type: 'string', default: '3' },
      images: { type: 'string', default: '16384' },
      'row-seconds': { type: 'string', default: '1800' },
      'no-peer': { type: 'boolean', default: false },
      python: { type: 'string' },
      'as-built': { type: 'boolean', default: false },
      out: { type: 'string' },
      add: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const unknown = values.precision.split(',').find((name) => name !== 'bf16' && name !== 'fp16');
  if (unknown !== undefined) throw new RangeError(`--precision takes bf16 and fp16, not ${JSON.stringify(unknown)}.`);
  const precisions = /** @type {('bf16' | 'fp16')[]} */ (values.precision.split(','));
  const batches = values.batch.split(',').map((text) => count('batch', text));
  const images = count('images', values.images);
  const most = Math.max(...batches);
  if (images < 2 * most)
    throw new RangeError(`--images is ${images}: an epoch needs ${2 * most}, two steps of ${most}.`);
  const rows = kindsOf(values.rows.split(','));
  return {
    batches,
    precisions,
    rows: values['no-peer'] ? rows.filter(({ ours }) => ours !== undefined) : rows,
    epochs: count('epochs', values.epochs),
    images,
    rowSeconds: count('row-seconds', values['row-seconds']),
    python: values.python,
    asBuilt: values['as-built'],
    out: values.out,
    add: values.add,
    json: values.json,
    help: values.help,
  };
}

/** @param {string} name @param {string} text */
function count(name, text) {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1)
    throw new RangeError(`--${name} takes whole numbers from 1 up, not ${JSON.stringify(text)}.`);
  return value;
}
