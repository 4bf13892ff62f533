/** Servers under load: started, asked at several numbers of connections, stopped. */

import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { lastJson, runChild, startChild } from './children.mjs';
import { onnxModel } from './figures.mjs';
import { cli, root, script, work } from './places.mjs';
import { ending } from './train-runs.mjs';

/**
 * @typedef {{ requestsPerSecond: number, p50: number, p99: number, statuses: Record<string, number>, failed: number, offered?: number }} Load
 * @typedef {Load & { connections: number }} Rung
 * @typedef {{ data: string, weights: string, size: number, resize: number, loadSeconds: number, overloadSeconds: number, signal: AbortSignal }} Setting
 */

/** Connections that send one request after another. */
const connections = [1, 2, 4, 8, 16, 32];

/** The checkpoint of our server, made once. @param {Setting} setting */
async function checkpoint({ weights, size, resize, signal }) {
  const path = join(work, `${weights.replaceAll(/[^\w.-]+/g, '_')}-${size}-serve.safetensors`);
  if (existsSync(path)) return path;
  await mkdir(work, { recursive: true });
  const args = [script('ours/checkpoint.mjs'), weights, `${path}.partial`, String(size), String(resize)];
  const { code, stderr } = await runChild(process.execPath, args, { cwd: root, signal });
  if (code !== 0) throw new Error(`The checkpoint was not made: ${ending(stderr)}`);
  await rename(`${path}.partial`, path);
  return path;
}

/** @template T @param {'ours' | 'peer'} side @param {Setting} setting @param {(url: string) => Promise<T>} body */
async function withServer(side, setting, body) {
  const args =
    side === 'ours'
      ? [cli, 'serve', await checkpoint(setting), '--port', '0', '--json']
      : [script('peers/onnx_server.mjs'), await onnxModel(setting), String(setting.size), String(setting.resize)];
  const server = await startChild(process.execPath, args, { cwd: root, signal: setting.signal });
  try {
    return await body(String(server.said.address));
  } finally {
    await server.stop();
  }
}

/**
 * @param {string} url
 * @param {Setting} setting
 * @param {number} seconds
 * @param {{ connections: number } | { rate: number }} how connections that wait for their answers, or requests a second
 * @returns {Promise<Load>}
 */
async function load(url, { data, signal }, seconds, how) {
  const kind = 'rate' in how ? ['rate', how.rate.toFixed(1)] : ['connections', String(how.connections)];
  const args = [script('lib/load.mjs'), url, data, String(seconds), ...kind];
  const { code, stdout, stderr } = await runChild(process.execPath, args, { cwd: root, signal });
  if (code !== 0) throw new Error(`The load generator failed: ${ending(stderr)}`);
  return lastJson(stdout);
}

/** @param {string} url @param {Setting} setting @returns {Promise<readonly Rung[]>} */
async function climb(url, setting) {
  // What is compiled at first use is compiled now, for batches of all sizes.
  await load(url, setting, setting.loadSeconds, { connections: 32 });
  const rungs = [];
  for (const many of connections) {
    const figures = await load(url, setting, setting.loadSeconds, { connections: many });
    if (figures.failed > 0 || Object.keys(figures.statuses).some((status) => status !== '200')) {
      throw new Error(`Requests failed at ${many} connections: ${JSON.stringify(figures)}`);
    }
    rungs.push({ connections: many, ...figures });
  }
  return rungs;
}

/** The rungs of a server, from one connection up. @param {'ours' | 'peer'} side @param {Setting} setting */
export function measureServer(side, setting) {
  return withServer(side, setting, (url) => climb(url, setting));
}

/** The rung with the most requests a second, among those whose p99 is within a bound. @param {readonly Rung[]} rungs */
export function best(rungs, bound = Number.POSITIVE_INFINITY) {
  const fit = rungs.filter(({ p99 }) => p99 <= bound);
  return fit.reduce(
    (most, rung) => (most === undefined || rung.requestsPerSecond > most.requestsPerSecond ? rung : most),
    /** @type {Rung | undefined} */ (undefined),
  );
}

/** Connections at which our server is asked what it can bear: fewer than may wait, so that none is sent away. */
const bearing = [32, 64, 128];

/**
 * Our server at twice the load that it can bear, which is its best rate with every request answered.
 *
 * @param {Setting} setting
 */
export function measureOverload(setting) {
  return withServer('ours', setting, async (url) => {
    await load(url, setting, setting.loadSeconds, { connections: 32 });
    let bearable = 0;
    for (const connections of bearing) {
      const { requestsPerSecond } = await load(url, setting, setting.loadSeconds, { connections });
      bearable = Math.max(bearable, requestsPerSecond);
    }
    return { bearable, ...(await load(url, setting, setting.overloadSeconds, { rate: 2 * bearable })) };
  });
}

/** Requests that were answered with neither 200 nor 429 nor 503, or not at all. @param {Load} load */
export function failures({ statuses, failed }) {
  const others = Object.entries(statuses).filter(([status]) => !['200', '429', '503'].includes(status));
  return failed + others.reduce((sum, [, count]) => sum + count, 0);
}
