/** The command line of `npm run bench:gpu`. */

import { parseArgs } from 'node:util';

export const help = `npm run bench:gpu -- [options]

Trains ResNet-50 on a GPU, with this package and with torchvision on the same card, and writes bench/GPU.md and
bench/gpu.json: images a second, and where the time of a step goes beside what the card's memory allows. Where there is no GPU it
says so and ends.

  --batch N[,N]        images a step; default 64,128,256
  --precision P[,P]    bf16 and fp16; default both
  --epochs N           epochs that are measured; default 3
  --images N           drawn photographs to train on; default 4096
  --no-peer            leave torchvision out
  --json               print the results as JSON
  --help               this text`;

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
      epochs: { type: 'string', default: '3' },
      images: { type: 'string', default: '4096' },
      'no-peer': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const precisions = values.precision.split(',');
  const unknown = precisions.find((name) => name !== 'bf16' && name !== 'fp16');
  if (unknown !== undefined) throw new RangeError(`--precision takes bf16 and fp16, not ${JSON.stringify(unknown)}.`);
  const batches = values.batch.split(',').map((text) => count('batch', text));
  const images = count('images', values.images);
  const most = Math.max(...batches);
  if (images < 2 * most)
    throw new RangeError(`--images is ${images}: an epoch needs ${2 * most}, two steps of ${most}.`);
  return {
    batches,
    precisions,
    epochs: count('epochs', values.epochs),
    images,
    peer: !values['no-peer'],
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
