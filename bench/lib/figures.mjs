/** One run of what is not training: loading, prediction, start. Each answers the row's figure. */

import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lastJson, runChild } from './children.mjs';
import { makePhotographs } from './photographs.mjs';
import { built, cli, python, root, script, work } from './places.mjs';
import { onOneCore } from './taskset.mjs';
import { ending, keptPages } from './train-runs.mjs';

/** @typedef {import('./rows.mjs').FigureRow} FigureRow */
/** @typedef {{ data: string, weights: string, size: number, seconds: number, passes: number, fastBf16: boolean, signal: AbortSignal }} Setting */

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Pick<Setting, 'signal'>} setting
 * @param {Readonly<Record<string, string>>} [env]
 */
async function finish(program, args, { signal }, env = {}) {
  const finished = await runChild(program, args, { cwd: root, env, signal });
  if (finished.code !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${ending(finished.stderr)}`);
  return finished;
}

/** The network as ONNX, made once for a checkpoint and an image size. @param {Pick<Setting, 'weights' | 'size' | 'signal'>} setting */
export async function onnxModel(setting) {
  const path = join(work, `${setting.weights.replaceAll(/[^\w.-]+/g, '_')}-${setting.size}.onnx`);
  if (existsSync(path)) return path;
  await finish(
    python,
    ['-B', script('peers/export_onnx.py'), setting.weights, String(setting.size), `${path}.partial`],
    setting,
  );
  await rename(`${path}.partial`, path);
  return path;
}

/** The images that a row loads. @param {FigureRow} row @param {Setting} setting */
async function imagesFor({ drawn }, { data, signal }) {
  if (drawn === undefined) return data;
  return makePhotographs(join(work, 'data', `drawn-${drawn.width}x${drawn.height}-${drawn.train}`), {
    ...drawn,
    signal,
  });
}

/** @param {FigureRow} row @param {Setting} setting @returns {Promise<number>} */
export async function figureOfOurs(row, setting) {
  const { weights, size, seconds, passes } = setting;
  if (row.kind === 'loading') {
    const args = [script('ours/loader.mjs'), await imagesFor(row, setting), String(size), String(passes)];
    return lastJson((await finish(...onOneCore(process.execPath, args), setting)).stdout).imagesPerSecond;
  }
  if (row.kind === 'prediction') {
    const args = [script('ours/predict.mjs'), weights, String(row.batch), String(seconds), String(size)];
    return lastJson((await finish(process.execPath, args, setting)).stdout).imagesPerSecond;
  }
  if (row.start === 'help') return (await finish(process.execPath, [cli, '--help'], setting)).seconds;
  const url = (/** @type {string} */ path) => JSON.stringify(pathToFileURL(built(path)).href);
  const load = row.start === 'native' ? `(await import(${url('native/load.js')})).native();` : '';
  const code = `await import(${url('index.js')}); ${load}`;
  return (await finish(process.execPath, ['--input-type=module', '-e', code], setting)).seconds;
}

/** @param {FigureRow} row @param {Setting} setting @returns {Promise<number>} */
export async function figureOfPeer(row, setting) {
  const { size, seconds, passes } = setting;
  if (row.kind === 'loading') {
    const images = await imagesFor(row, setting);
    const args = ['-B', script('peers/loader.py'), images, '--size', String(size), '--passes', String(passes)];
    return lastJson((await finish(...onOneCore(python, args), setting)).stdout).imagesPerSecond;
  }
  if (row.kind === 'prediction' && row.peer === 'torchvision') {
    const amounts = ['--batch', String(row.batch), '--seconds', String(seconds), '--size', String(size)];
    const precision = ['--precision', setting.fastBf16 ? 'bf16' : 'fp32'];
    const args = ['-B', script('peers/torchvision_predict.py'), setting.weights, ...amounts, ...precision];
    return lastJson((await finish(python, [...args, ...(row.args ?? [])], setting, keptPages)).stdout).imagesPerSecond;
  }
  if (row.kind === 'prediction') {
    const args = [script('peers/onnx.mjs'), await onnxModel(setting), String(row.batch), String(seconds), String(size)];
    return lastJson((await finish(process.execPath, args, setting)).stdout).imagesPerSecond;
  }
  return (await finish(python, ['-B', '-c', 'import torch, torchvision'], setting)).seconds;
}

/** Seconds are better when they are fewer. @param {FigureRow} row */
export const betterFor = (row) =>
  row.kind === 'start' ? /** @type {const} */ ('lower') : /** @type {const} */ ('higher');
