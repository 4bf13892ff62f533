/**
 * Photographs for `npm run bench:gpu`. An epoch must be long beside its beginning and its end, and drawing takes a core some
 * 10 ms an image: few are drawn, and the others are links to them. Decoding and the device have as much to do with each.
 */

import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makePhotographs } from '../lib/photographs.mjs';

const mostDrawn = 2048;

/** A file of its own where the file system has no links. @param {string} from @param {string} to */
async function linked(from, to) {
  await link(from, to).catch(() => copyFile(from, to));
}

/**
 * @param {string} folder made once; what is drawn goes beside it
 * @param {{ train: number, val: number, drawn?: number, signal?: AbortSignal }} options images of both classes together, and how many of
 *   those to train on are drawn
 * @returns {Promise<string>} the folder
 */
export async function linkedPhotographs(folder, { train, val, drawn: most = mostDrawn, signal }) {
  if (existsSync(folder)) return folder;
  const drawn = Math.min(train, most);
  const more = signal === undefined ? {} : { signal };
  const place = join(dirname(folder), `drawn-320x240-${drawn}-${val}`);
  const source = await makePhotographs(place, { train: drawn, val, width: 320, height: 240, ...more });
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  for (const [split, total] of /** @type {const} */ ([
    ['train', train],
    ['val', val],
  ])) {
    const classes = (await readdir(join(source, split))).sort();
    const files = await Promise.all(classes.map(async (name) => (await readdir(join(source, split, name))).sort()));
    for (const name of classes) await mkdir(join(partial, split, name), { recursive: true });
    for (let i = 0; i < total; i++) {
      signal?.throwIfAborted();
      const label = i % classes.length;
      const own = files[label] ?? [];
      const [name, file] = [String(classes[label]), String(own[Math.floor(i / classes.length) % own.length])];
      const to = join(partial, split, name, `${String(i).padStart(6, '0')}.jpg`);
      await linked(join(source, split, name, file), to);
    }
  }
  await rename(partial, folder);
  return folder;
}
