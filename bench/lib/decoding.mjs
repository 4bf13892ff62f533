/** The rows of decoding: what one core makes of JPEGs of one size, by quality, sampling and kind, and by view. */

import { existsSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../../scripts/demo/random.mjs';
import { lastJson, runChild } from './children.mjs';
import { drawPhotograph } from './photographs.mjs';
import { root, script, work } from './places.mjs';
import { say } from './say.mjs';
import { onOneCore } from './taskset.mjs';

/**
 * @typedef {object} Decoded
 * @property {'4:2:0' | '4:4:4'} sampling
 * @property {'baseline' | 'progressive'} coding
 * @property {number} quality
 * @property {'train' | 'evaluation' | 'kept'} view `kept`: the training view of a picture that lies decoded in memory
 * @property {number} fileBytes of a file, on average
 * @property {number} imagesPerSecond of one core: the best of several passes, by processor time
 */

export const samplings = /** @type {const} */ (['4:2:0', '4:4:4']);
export const codings = /** @type {const} */ (['baseline', 'progressive']);
export const qualities = /** @type {const} */ ([75, 90, 95]);
export const decodedViews = /** @type {const} */ (['train', 'evaluation', 'kept']);

/** Different photographs of a size. */
const drawn = 4;

/** Pixels that a pass decodes, about, so that passes over small pictures are no shorter. */
const pixelsOfPass = 12e6;

/** @param {Pick<Decoded, 'sampling' | 'coding' | 'quality'>} kind */
const folderOf = ({ sampling, coding, quality }) => `${coding}-${sampling.replaceAll(':', '')}-q${quality}`;

/** Every kind of JPEG of a size. */
export const kinds = samplings.flatMap((sampling) =>
  codings.flatMap((coding) =>
    qualities.map((quality) => ({ sampling, coding, quality, folder: folderOf({ sampling, coding, quality }) })),
  ),
);

const [usual] = kinds.filter(
  ({ sampling, coding, quality }) => `${sampling} ${coding} ${quality}` === '4:2:0 baseline 90',
);
if (usual === undefined) throw new Error('There is no usual kind.');
/** What most cameras and programs write. */
export const usualKind = usual;

/**
 * A folder with one for each kind, made once. The pictures are those of the drawn photographs; a file has many names where
 * one pass over it would be short.
 *
 * @param {{ width: number, height: number }} size
 * @param {AbortSignal} signal
 */
async function makeKinds({ width, height }, signal) {
  const folder = join(work, 'data', `decoding-${width}x${height}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const names = Math.max(1, Math.round(pixelsOfPass / (width * height * drawn)));
  for (const { folder: kind } of kinds) mkdirSync(join(partial, kind), { recursive: true });
  for (let i = 0; i < drawn; i++) {
    const photograph = await drawPhotograph(seededRandom(1 + i), width, height, i % 2, 100);
    for (const { sampling, coding, quality, folder: kind } of kinds) {
      signal.throwIfAborted();
      const progressive = coding === 'progressive';
      const bytes = await sharp(photograph).jpeg({ quality, chromaSubsampling: sampling, progressive }).toBuffer();
      const first = join(partial, kind, `${i}-0.jpg`);
      writeFileSync(first, bytes);
      for (let name = 1; name < names; name++) linkSync(first, join(partial, kind, `${i}-${name}.jpg`));
    }
  }
  renameSync(partial, folder);
  return folder;
}

/** @param {import('./rows.mjs').DecodingRow} row @param {import('./pairs.mjs').Plan} plan */
export async function runDecoding({ name, width, height }, { repeats, amounts, signal }) {
  const folder = await makeKinds({ width, height }, signal);
  // The least of several, so that what others do on the machine counts little.
  const passes = amounts.passes === 1 ? 1 : repeats + 2;
  const args = [script('ours/decoding.mjs'), folder, String(amounts.size), String(passes)];
  const [program, all] = onOneCore(process.execPath, args);
  const finished = await runChild(program, all, { cwd: root, signal });
  if (finished.code !== 0) throw new Error(finished.stderr.trim());
  const decoded = /** @type {Decoded[]} */ (/** @type {unknown} */ (lastJson(finished.stdout).decoded));
  const { sampling, coding, quality } = usualKind;
  const rates = decodedViews.map((view) => {
    const one = decoded.find(
      (each) => each.view === view && each.sampling === sampling && each.coding === coding && each.quality === quality,
    );
    return `${view} ${one?.imagesPerSecond.toFixed(one.imagesPerSecond < 100 ? 1 : 0)}`;
  });
  say(`${name.padEnd(28)} one core, ${coding}, ${sampling}, quality ${quality}, img/s: ${rates.join(', ')}`);
  return { setting: { images: `drawn photographs of ${width}×${height}`, size: amounts.size, passes }, decoded };
}
