/**
 * Views of JPEGs that one core makes, by kind of JPEG: images a second of the process's own time, the best of several passes
 * behind one that warms up. Usage: decoding.mjs FOLDER SIZE PASSES
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodedViews, kinds, usualKind } from '../lib/decoding.mjs';
import { built } from '../lib/places.mjs';

const { native } = await import(built('native/load.js'));
const { openLoader } = await import(built('data/loader.js'));

const [folder = '', size = '224', passes = '5'] = process.argv.slice(2);

/** @type {Readonly<Record<(typeof decodedViews)[number], object>>} */
const crops = {
  train: { kind: 'random', scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0.5 },
  evaluation: { kind: 'center', scale: [1, 1], ratio: [1, 1], flip: 0 },
  kept: { kind: 'random', scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0.5 },
};

/** @param {readonly string[]} paths @param {(typeof decodedViews)[number]} view */
async function measure(paths, view) {
  const files = new (native().FileList)(paths, new Int32Array(paths.length));
  const imageCache = view === 'kept' ? new (native().ImageCache)(null) : null;
  const crop = { ...crops[view], size: Number(size), resize: Math.round((Number(size) * 256) / 224) };
  let best = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass <= Number(passes); pass++) {
    // The same views in every pass, and in the first one those of which pictures are kept.
    const options = { files, crop, batchSize: 32, epoch: 0, seed: 1, training: false, workers: 1, imageCache };
    const loader = openLoader(options);
    const start = process.cpuUsage();
    while ((await loader.next('uint8')) !== null);
    const { user, system } = process.cpuUsage(start);
    loader.dispose();
    if (pass > 0) best = Math.min(best, (user + system) / 1e6);
  }
  imageCache?.dispose();
  return paths.length / best;
}

const decoded = [];
for (const { folder: kind, ...described } of kinds) {
  const paths = readdirSync(join(folder, kind)).map((name) => join(folder, kind, name));
  const fileBytes = Math.round(paths.reduce((sum, path) => sum + statSync(path).size, 0) / paths.length);
  for (const view of decodedViews) {
    // What lies decoded in memory is the same, whatever it was decoded from.
    if (view === 'kept' && kind !== usualKind.folder) continue;
    const imagesPerSecond = Number((await measure(paths, view)).toPrecision(4));
    decoded.push({ ...described, view, fileBytes, imagesPerSecond });
  }
}
process.stdout.write(`${JSON.stringify({ decoded })}\n`);
