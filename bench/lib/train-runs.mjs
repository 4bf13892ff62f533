/** One run of a training job, ours or a peer's, as its users run it: the whole process is timed and its memory watched. */

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lastJson, runChild } from './children.mjs';
import { cli, python, script, work } from './places.mjs';

/** glibc gives large tensors back to the system at once unless told not to. */
export const keptPages = { MALLOC_MMAP_THRESHOLD_: '1073741824', MALLOC_TRIM_THRESHOLD_: '1073741824' };

/**
 * @typedef {{ seconds: number, top1: number, imagesPerSecond: number, lastImagesPerSecond: number, peakBytes: number | null }} TrainingRun
 * @typedef {{ data: string, weights: string, epochs: number, size: number, resize: number, batch: number, fastBf16: boolean }} Setting
 */

/**
 * @param {readonly string[]} flags
 * @param {Setting} setting
 * @param {number} seed
 * @param {AbortSignal} signal
 * @returns {Promise<TrainingRun>}
 */
export function trainOurs(flags, setting, seed, signal) {
  return inFolder(async (folder) => {
    const sizes = ['--image-size', String(setting.size), '--resize', String(setting.resize)];
    const amounts = ['--batch-size', String(setting.batch), '--epochs', String(setting.epochs), '--seed', String(seed)];
    const args = ['train', setting.data, ...flags, '--weights', setting.weights, ...sizes, ...amounts];
    const whole = [cli, ...args, '--json', '--out', join(folder, 'run')];
    const finished = await runChild(process.execPath, whole, {
      // Features that an earlier run left would make this one look faster than it is.
      env: { RESNET_TORCH_CACHE: join(folder, 'cache') },
      watchMemory: true,
      signal,
    });
    if (finished.code !== 0) throw new Error(`resnet-torch train failed: ${ending(finished.stderr)}`);
    const result = lastJson(finished.stdout);
    const epochs = finished.stdout.split('\n').filter((line) => line.startsWith('{"type":"epoch"'));
    return {
      seconds: finished.seconds,
      top1: result.best.top1,
      imagesPerSecond: result.imagesPerSecond,
      lastImagesPerSecond: JSON.parse(String(epochs.at(-1))).imagesPerSecond,
      peakBytes: finished.peakBytes,
    };
  });
}

/**
 * @param {{ peer: 'torchvision' | 'keras', args: readonly string[], keepPages?: boolean }} row
 * @param {Setting} setting
 * @param {number} seed
 * @param {AbortSignal} signal
 * @returns {Promise<TrainingRun>}
 */
export function trainPeer({ peer, args, keepPages = false }, setting, seed, signal) {
  return inFolder(async (folder) => {
    const sizes = ['--size', String(setting.size), '--resize', String(setting.resize), '--seed', String(seed)];
    const amounts = ['--batch-size', String(setting.batch), '--epochs', String(setting.epochs)];
    const what = [script(`peers/${peer}_train.py`), setting.data, '--weights', setting.weights, ...args];
    if (peer === 'torchvision') what.push('--precision', setting.fastBf16 ? 'bf16' : 'fp32');
    const finished = await runChild(python, ['-B', ...what, ...sizes, ...amounts, '--out', join(folder, 'best.pt')], {
      env: keepPages ? keptPages : {},
      watchMemory: true,
      signal,
    });
    if (finished.code !== 0) throw new Error(`${peer} failed: ${ending(finished.stderr)}`);
    const { top1, imagesPerSecond, lastImagesPerSecond } = lastJson(finished.stdout);
    return { seconds: finished.seconds, top1, imagesPerSecond, lastImagesPerSecond, peakBytes: finished.peakBytes };
  });
}

/** @template T @param {(folder: string) => Promise<T>} body @returns {Promise<T>} */
async function inFolder(body) {
  const folder = await mkdtemp(join(work, 'run-'));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a program that failed had to say: the last line that names an error, else the last of all. @param {string} text */
export function ending(text) {
  const lines = text.trimEnd().split('\n');
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1))?.trim() || 'it said nothing';
}
