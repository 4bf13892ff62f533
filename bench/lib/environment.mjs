/** Installs the peers: Python's with pip into a virtual environment, Node's with npm, both below .cache/. */

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipIndex } from '../../scripts/setup/pins.mjs';
import { pythonNames } from '../../scripts/setup/python.mjs';
import { runChild } from './children.mjs';
import { nodePeers, python, root, venv } from './places.mjs';
import { say } from './say.mjs';

const pip = ['-m', 'pip', 'install', '--retries', '0', '--timeout', '5', '--disable-pip-version-check', '--no-input'];

/** The newest release is the peer, whatever this package is built against; torchvision's is the one that was made for it. */
const torch = 'torch==2.14.1';
const torchvision = 'torchvision==0.29.1';

/**
 * What each peer needs. The sets are installed one by one, so that one that cannot be had does not take the others along.
 *
 * @type {Readonly<Record<'torchvision' | 'keras', readonly (readonly string[])[]>>}
 */
const pythonSets = {
  torchvision: [
    [torch, torchvision],
    ['numpy', 'pillow', 'safetensors', 'onnx'],
  ],
  keras: [['tensorflow-cpu==2.21.0', 'safetensors', 'pillow']],
};
const onnxruntime = ['onnxruntime-node@1.30.0'];
/** A server as it is written without us, and what asks both servers. */
const serving = [...onnxruntime, 'fastify@5.12.8', 'sharp@0.35.5', 'autocannon@9.0.0'];

/** @typedef {'torchvision' | 'keras' | 'onnxruntime' | 'fastify'} PeerName */
/** @typedef {Readonly<Record<PeerName, string | null>>} Peers why a peer cannot be had; null where it can */

/**
 * @param {readonly PeerName[]} wanted
 * @param {AbortSignal} signal
 * @returns {Promise<Peers>}
 */
export async function providePeers(wanted, signal) {
  const missing = 'not asked for';
  /** @type {Record<PeerName, string | null>} */
  const peers = { torchvision: missing, keras: missing, onnxruntime: missing, fastify: missing };
  // onnxruntime's model is exported by PyTorch.
  const ofNode = /** @type {const} */ (['onnxruntime', 'fastify']).filter((name) => wanted.includes(name));
  const needed = new Set(ofNode.length > 0 ? [...wanted, /** @type {const} */ ('torchvision')] : wanted);
  for (const name of /** @type {const} */ (['torchvision', 'keras'])) {
    if (needed.has(name)) peers[name] = await providePython(name, signal);
  }
  for (const name of ofNode) {
    const own = await provideNode(name === 'fastify' ? serving : onnxruntime, signal);
    peers[name] = own ?? (peers.torchvision === null ? null : `its model is exported by PyTorch: ${peers.torchvision}`);
  }
  for (const name of needed) say(`${name.padEnd(12)} ${peers[name] === null ? 'is there' : `NOT RUN: ${peers[name]}`}`);
  return peers;
}

/** @param {'torchvision' | 'keras'} name @param {AbortSignal} signal @returns {Promise<string | null>} */
async function providePython(name, signal) {
  const stamp = join(venv, `${name}.installed`);
  const wanted = pythonSets[name].flat().join(' ');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return null;
  if (!existsSync(python)) {
    const problem = await makeVenv(signal);
    if (problem !== null) return problem;
  }
  say(`pip          ${wanted}`);
  for (const set of pythonSets[name]) {
    const problem = await install(set, signal);
    if (problem !== null) return problem;
  }
  await writeFile(stamp, wanted);
  return null;
}

/** @param {AbortSignal} signal */
async function makeVenv(signal) {
  for (const base of pythonNames()) {
    if ((await runChild(base, ['--version'], { signal })).code !== 0) continue;
    await rm(venv, { recursive: true, force: true });
    const { code, stderr, stdout } = await runChild(base, ['-m', 'venv', venv], { signal });
    return code === 0 ? null : `${base} made no virtual environment: ${lastLine(stderr || stdout)}`;
  }
  return 'there is no python3 (RESNET_TORCH_PYTHON names another)';
}

/** @param {readonly string[]} set @param {AbortSignal} signal @returns {Promise<string | null>} */
async function install(set, signal) {
  if (set.includes(torch)) return installTorch(signal);
  return pipInstall(set, signal);
}

/**
 * PyTorch's own build for the CPU where its index can be reached, since the plain name brings gigabytes of CUDA on Linux.
 * Elsewhere that build, and of what it asks for all but the packages that serve a GPU from Python alone: an index that lacks
 * one of these would refuse all.
 *
 * @param {AbortSignal} signal
 */
async function installTorch(signal) {
  const small = await pipInstall([`${torch}+cpu`, `${torchvision}+cpu`, '--extra-index-url', pipIndex.cpu], signal);
  if (small === null) return null;
  const alone = await pipInstall(['--no-deps', torch, torchvision], signal);
  if (alone !== null) return alone;
  const code = [
    'import importlib.metadata as m',
    'for r in m.requires("torch") or []:',
    '    name = r.split(";")[0].strip()',
    '    if "extra ==" not in r and not name.startswith(("cuda-bindings", "triton")): print(name)',
  ].join('\n');
  const { code: status, stdout, stderr } = await runChild(python, ['-c', code], { signal });
  if (status !== 0) return `what torch needs cannot be told: ${lastLine(stderr)}`;
  return pipInstall(stdout.trim().split('\n'), signal);
}

/** @param {readonly string[]} what @param {AbortSignal} signal @returns {Promise<string | null>} */
async function pipInstall(what, signal) {
  const { code, stderr } = await runChild(python, [...pip, '--quiet', ...what], { signal });
  if (code === 0) return null;
  return `pip could not install ${what.filter((item) => !item.startsWith('-')).join(', ')}: ${lastLine(stderr)}`;
}

/** @param {readonly string[]} packages @param {AbortSignal} signal @returns {Promise<string | null>} */
async function provideNode(packages, signal) {
  const stamp = join(nodePeers, 'installed');
  const there = existsSync(stamp) ? readFileSync(stamp, 'utf8').split('\n') : [];
  if (packages.every((name) => there.includes(name))) return null;
  say(`npm          ${packages.join(' ')}`);
  await mkdir(nodePeers, { recursive: true });
  await writeFile(join(nodePeers, 'package.json'), '{ "private": true }\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // onnxruntime's install script downloads CUDA libraries.
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages];
  const { code, stderr } = await runChild(npm, args, { cwd: nodePeers, signal });
  if (code !== 0) return `npm could not install ${packages.join(', ')}: ${lastLine(stderr)}`;
  await writeFile(stamp, packages.join('\n'));
  return null;
}

/** The project's own set-up, which ends at once where all is in place. @param {AbortSignal} signal */
export async function buildProject(signal) {
  const { code } = await runChild(process.execPath, [join(root, 'scripts', 'setup.mjs')], { show: true, signal });
  if (code !== 0) throw new Error('The set-up of the project failed; its output is above.');
}

/** @param {string} text */
function lastLine(text) {
  const lines = text
    .trimEnd()
    .split('\n')
    .filter((line) => !/^(WARNING|npm warn)/.test(line));
  return lines.at(-1)?.trim() || 'it did not say why';
}
