/** One run of what is not training: loading, prediction, start. Each answers the row's figure. */

import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lastJson, runChild } from './children.mjs';
import { makePhotographs } from './photographs.mjs';
import { built, cli, python, root, script, work } from './places.mjs';
import { ending } from './train-runs.mjs';

/** @typedef {import('./rows.mjs').FigureRow} FigureRow */
/** @typedef {{ data: string, weights: string, size: number, seconds: number, passes: number, signal: AbortSignal }} Setting */

/** @param {string} program @param {readonly string[]} args @param {Pick<Setting, 'signal'>} setting */
async function finish(program, args, { signal }) {
  const finished = await runChild(program, args, { cwd: root, signal });
  if (finished.code !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${ending(finished.stderr)}`);
  return finished;
}

/** Holds a program on one core, where the system can. @param {string} program @param {readonly string[]} args */
function onOneCore(program, args) {
  const taskset = '/usr/bin/taskset';
  return existsSync(taskset)
    ? /** @type {const} */ ([taskset, ['-c', '0', program, ...args]])
    : /** @type {const} */ ([program, args]);
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
    const args = [script('ours/predict.mjs'), weights, String(row.batch), String(seconds), String(size), 'bf16'];
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
  if (row.kind === 'prediction') {
    const args = [script('peers/onnx.mjs'), await onnxModel(setting), String(row.batch), String(seconds), String(size)];
    return lastJson((await finish(process.execPath, args, setting)).stdout).imagesPerSecond;
  }
  return (await finish(python, ['-B', '-c', await peerImport(setting)], setting)).seconds;
}

/** @type {Promise<string> | undefined} */
let importCode;

/** @param {Setting} setting */
function peerImport({ signal }) {
  const plain = 'import torch, torchvision';
  // As in peers/common.py, but only where torchvision does not load as it is: a first try that fails would take time.
  const declared = [
    'import torch',
    'library = torch.library.Library("torchvision", "DEF")',
    'for operator in ("nms", "qnms"):',
    '    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")',
    'import torchvision',
  ].join('\n');
  importCode ??= runChild(python, ['-c', plain], { signal }).then(({ code }) => (code === 0 ? plain : declared));
  return importCode;
}

/** Seconds are better when they are fewer. @param {FigureRow} row */
export const betterFor = (row) =>
  row.kind === 'start' ? /** @type {const} */ ('lower') : /** @type {const} */ ('higher');
