/** PyTorch with CUDA for `npm run bench:gpu`, in a virtual environment of its own below .cache/. */

import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pinnedLibtorch, pipIndex } from '../../scripts/setup/pins.mjs';
import { pythonNames } from '../../scripts/setup/python.mjs';
import { runChild } from '../lib/children.mjs';
import { root } from '../lib/places.mjs';
import { say } from '../lib/say.mjs';

const folder = join(root, '.cache', 'bench-gpu-python');
export const gpuPython = join(folder, 'bin', 'python');
const wanted = [`torch==${pinnedLibtorch.cuda}`, 'torchvision==0.29.1', 'numpy', 'pillow', 'safetensors'];

/** @param {AbortSignal} signal @returns {Promise<string | null>} why it cannot be had, or null */
export async function provideGpuPython(signal) {
  const stamp = join(folder, 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted.join(' ')) return null;
  const [base = 'python3'] = pythonNames();
  await rm(folder, { recursive: true, force: true });
  const made = await runChild(base, ['-m', 'venv', folder], { signal });
  if (made.code !== 0) return `${base} made no virtual environment`;
  say(`pip          ${wanted.join(' ')}`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'];
  let problem = '';
  for (const index of [[], ['--extra-index-url', pipIndex.cuda]]) {
    const { code, stderr } = await runChild(gpuPython, [...pip, ...index, ...wanted], { signal });
    if (code === 0) {
      await writeFile(stamp, wanted.join(' '));
      return null;
    }
    problem = stderr.trimEnd().split('\n').at(-1) ?? '';
  }
  return `pip could not install PyTorch for CUDA: ${problem}`;
}
