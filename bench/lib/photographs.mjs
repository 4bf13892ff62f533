/**
 * Photographs drawn at random, for machines without real ones: soft light, hard edges and grain, so that a decoder has as
 * much to do as with a camera's. Two classes, told apart by the colour of the light.
 */

import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../../scripts/demo/random.mjs';
import { say } from './say.mjs';

/** @typedef {import('../../scripts/demo/random.mjs').Random} Random */

export const classes = ['evening', 'morning'];
const tints = [
  [30, -5, -30],
  [-30, 5, 30],
];

/** @param {Random} random @param {number} width @param {number} height @param {number} label @param {number} [quality] */
export async function drawPhotograph(random, width, height, label, quality = 88) {
  const [columns, rows] = [24, 18];
  const tint = tints[label] ?? [0, 0, 0];
  const byte = (/** @type {number} */ value) => Math.max(0, Math.min(255, Math.round(value)));
  const light = Buffer.alloc(columns * rows * 3);
  for (let i = 0; i < light.length; i++) light[i] = byte(128 + Number(tint[i % 3]) + random.between(-80, 80));
  const colour = () => `rgb(${[0, 1, 2].map((i) => byte(random.between(20, 235) + Number(tint[i]))).join()})`;
  const x = () => random.between(0, width).toFixed(0);
  const y = () => random.between(0, height).toFixed(0);
  const shapes = Array.from({ length: 14 }, () =>
    random.next() < 0.5
      ? `<ellipse cx="${x()}" cy="${y()}" rx="${random.between(5, width / 5).toFixed(0)}" ry="${random.between(5, height / 5).toFixed(0)}" fill="${colour()}"/>`
      : `<path d="M${x()} ${y()}L${x()} ${y()}L${x()} ${y()}" fill="none" stroke-width="${random.between(1, 6).toFixed(1)}" stroke="${colour()}"/>`,
  ).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes}</svg>`;
  const grain = Buffer.alloc(width * height * 4);
  // A byte of noise for all three channels, and how much of it is seen.
  for (let i = 0; i < grain.length; i += 4) {
    const word = (random.next() * 4294967296) >>> 0;
    grain.fill(word & 255, i, i + 3);
    grain[i + 3] = (word >>> 8) % 40;
  }
  const ground = await sharp(light, { raw: { width: columns, height: rows, channels: 3 } })
    .resize(width, height, { kernel: 'cubic', fit: 'fill' })
    .raw()
    .toBuffer();
  return sharp(ground, { raw: { width, height, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }, { input: grain, raw: { width, height, channels: 4 } }])
    .jpeg({ quality })
    .toBuffer();
}

/**
 * A folder with `train/` and `val/`, made once. Every file follows from its place in it.
 *
 * @param {string} folder
 * @param {{ train: number, val: number, width: number, height: number, signal?: AbortSignal }} options images of both
 *   classes together
 * @returns {Promise<string>} the folder
 */
export async function makePhotographs(folder, { train, val, width, height, signal }) {
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  const total = train + val;
  if (total > 1000) say(`drawing      ${total} photographs of ${width}×${height}`);
  const jobs = [];
  for (const [split, count] of /** @type {const} */ ([
    ['train', train],
    ['val', val],
  ])) {
    for (const name of classes) await mkdir(join(partial, split, name), { recursive: true });
    for (let i = 0; i < count; i++) jobs.push({ split, i });
  }
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < jobs.length; at = next++) {
      signal?.throwIfAborted();
      const { split, i } = /** @type {{ split: string, i: number }} */ (jobs[at]);
      const label = i % 2;
      const random = seededRandom(7919 * i + (split === 'train' ? 1 : 2));
      const file = join(partial, split, String(classes[label]), `${String(i).padStart(6, '0')}.jpg`);
      await writeFile(file, await drawPhotograph(random, width, height, label));
      if ((at + 1) % 5000 === 0) say(`drawing      ${at + 1} of ${total}`);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  await rename(partial, folder);
  return folder;
}
