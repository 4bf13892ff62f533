/** What figures were taken on: the processor, the limits that it sets, and the releases of everything beside it. */

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg, platform, release, totalmem } from 'node:os';
import { lastJson, runChild } from './children.mjs';
import { built, nodePeers, python, script } from './places.mjs';
import { describeProcessor, machineId } from './processor.mjs';
import { ending } from './train-runs.mjs';

/**
 * Floating-point operations a second in matrix products, the highest of several shapes.
 *
 * @typedef {{ one: number | null, all: number }} Rate on one thread, and on as many as there are cores
 */

/**
 * @typedef {object} Machine
 * @property {string} id its results are kept under this name
 * @property {import('./processor.mjs').Processor} processor
 * @property {number} memoryGiB
 * @property {boolean} fastBf16 whether bf16 is what `auto` chooses here
 * @property {Readonly<Record<'bf16' | 'fp32', Rate>> | null} rates null where PyTorch was not there to measure them
 * @property {number | null} freshPageMicroseconds time to write to a page of 4 KiB for the first time
 */

/**
 * @typedef {object} Conditions of one run, which may differ from those of the next on the same machine
 * @property {string} system
 * @property {number} load
 * @property {Readonly<Record<string, string>>} versions
 */

/** @param {AbortSignal} signal @returns {Promise<Machine>} */
export async function describeMachine(signal) {
  const { native } = await import(built('native/load.js'));
  const processor = describeProcessor();
  const [one, all] = [await measureRates(1, signal), await measureRates(availableParallelism(), signal)];
  return {
    id: machineId(processor),
    processor,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    fastBf16: native().info().fastBf16,
    rates:
      one === null || all === null
        ? null
        : { bf16: { one: one.bf16, all: all.bf16 }, fp32: { one: one.fp32, all: all.fp32 } },
    freshPageMicroseconds: one?.freshPageMicroseconds ?? null,
  };
}

/**
 * @param {number} threads
 * @param {AbortSignal} signal
 * @returns {Promise<{ bf16: number, fp32: number, freshPageMicroseconds: number } | null>} null without PyTorch
 */
export async function measureRates(threads, signal) {
  if (!existsSync(python)) return null;
  const { code, stdout, stderr } = await runChild(python, ['-B', script('peers/rates.py'), String(threads)], {
    signal,
  });
  if (code !== 0) throw new Error(`The rate of matrix products could not be measured: ${ending(stderr)}`);
  return lastJson(stdout);
}

/** @param {AbortSignal} signal @returns {Promise<Conditions>} */
export async function describeConditions(signal) {
  const { native } = await import(built('native/load.js'));
  /** @type {Record<string, string>} */
  const versions = { node: process.versions.node, libtorch: String(native().info().runtimeLibtorch) };
  if (existsSync(python)) {
    const code = [
      'import importlib.metadata as m, json, platform',
      'names = ["torch", "torchvision", "pillow", "tensorflow-cpu", "keras"]',
      'found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in m.distributions()}',
      'print(json.dumps({"python": platform.python_version(), **{n: found[n] for n in names if n in found}}))',
    ].join('\n');
    const { code: status, stdout } = await runChild(python, ['-c', code], { signal });
    if (status === 0) Object.assign(versions, JSON.parse(stdout));
  }
  for (const name of ['onnxruntime-node', 'fastify', 'sharp', 'autocannon']) {
    const file = `${nodePeers}/node_modules/${name}/package.json`;
    if (existsSync(file)) versions[name] = JSON.parse(readFileSync(file, 'utf8')).version;
  }
  return { system: `${platform()} ${release()}`, load: Number((loadavg()[0] ?? 0).toFixed(1)), versions };
}
