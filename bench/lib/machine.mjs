/** What figures were taken on. */

import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, platform, release, totalmem } from 'node:os';
import { runChild } from './children.mjs';
import { built, nodePeers, python } from './places.mjs';

/**
 * @typedef {{ processor: string, cores: number, memoryGiB: number, system: string, load: number, versions: Record<string, string> }} Machine
 */

/** @param {AbortSignal} signal @returns {Promise<Machine>} */
export async function describeMachine(signal) {
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
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    load: Number((loadavg()[0] ?? 0).toFixed(1)),
    versions,
  };
}
