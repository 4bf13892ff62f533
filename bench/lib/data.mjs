/** The images and the weights that everyone is given. */

import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePhotographs } from './photographs.mjs';
import { built, sharedFolder, work } from './places.mjs';
import { say } from './say.mjs';

/**
 * @typedef {object} Material
 * @property {string} data a folder with train/ and val/, of JPEGs
 * @property {string} weights safetensors with torchvision's names
 * @property {string} images what the images are, in words
 * @property {string} checkpoint what the weights are, in words
 * @property {number} train images
 * @property {number} val images
 */

/**
 * Real photographs and trained weights where they lie beside the project; otherwise drawn ones, and one random checkpoint.
 *
 * @param {{ images?: number | undefined, signal: AbortSignal }} options images: draw so many to train on instead
 * @returns {Promise<Material>}
 */
export async function provideMaterial({ images, signal }) {
  await mkdir(join(work, 'data'), { recursive: true });
  const shared = await sharedFolder();
  const real = shared === null ? '' : join(shared, 'data', 'hymenoptera');
  const trained = shared === null ? '' : join(shared, 'weights', 'resnet50-tiny-imagenet-64px.safetensors');
  const useReal = images === undefined && existsSync(real);
  const data = useReal ? await copyJpegs(real, join(work, 'data', 'hymenoptera')) : await drawn(images ?? 245, signal);
  const weights = existsSync(trained) ? trained : await randomCheckpoint();
  const [train, val] = [await countFiles(join(data, 'train')), await countFiles(join(data, 'val'))];
  const material = {
    data,
    weights,
    images: useReal ? 'hymenoptera (ants and bees)' : 'drawn photographs of 500×375',
    checkpoint: existsSync(trained) ? 'trained on Tiny ImageNet' : 'random',
    train,
    val,
  };
  say(`images       ${material.images}: ${train} to train on, ${val} to validate`);
  say(`weights      ${material.checkpoint}`);
  return material;
}

/** @param {number} train @param {AbortSignal} signal */
function drawn(train, signal) {
  const val = Math.round((train * 153) / 245);
  return makePhotographs(join(work, 'data', `drawn-500x375-${train}`), { train, val, width: 500, height: 375, signal });
}

/**
 * The JPEGs of a data set alone: torchvision passes over the GIF that is among the ants, and Keras and we would not.
 *
 * @param {string} from
 * @param {string} to
 */
async function copyJpegs(from, to) {
  if (existsSync(to)) return to;
  const partial = `${to}.partial`;
  await rm(partial, { recursive: true, force: true });
  for (const name of await readdir(from, { recursive: true })) {
    if (/\.jpe?g$/i.test(name)) await cp(join(from, name), join(partial, name));
  }
  await rename(partial, to);
  return to;
}

/** @param {string} folder */
async function countFiles(folder) {
  return (await readdir(folder, { recursive: true })).filter((name) => /\.jpe?g$/i.test(name)).length;
}

/** torchvision's names, its 1000 outputs, fresh weights. */
async function randomCheckpoint() {
  const path = join(work, 'random.safetensors');
  if (existsSync(path)) return path;
  const { ResNet50 } = await import(built('index.js'));
  const model = await ResNet50.create({ classes: 1000, head: { hidden: [] }, weights: 'none', seed: 0 });
  await model.save(path);
  model.dispose();
  return path;
}
