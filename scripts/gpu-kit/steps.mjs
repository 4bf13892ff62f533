/** What the kit does on a machine: the table of its steps, in the order of their worth. */

import { bringAddon, bringHeaders } from './bring.mjs';
import { build, configure } from './build.mjs';
import { findPytorch, lookAround } from './machine.mjs';
import { bench, compareForward, gpuTests } from './prove.mjs';

/**
 * @typedef {object} Here what a step is given
 * @property {ReturnType<typeof import('./options.mjs').parseOptions>} options
 * @property {Record<string, any>} facts found by earlier steps; goes into the summary
 * @property {number} log descriptor of the log
 * @property {number} seconds that it may take
 */

/** @typedef {Partial<import('./summary.mjs').Outcome> & { status: import('./summary.mjs').Outcome['status'] }} Came */

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} does
 * @property {readonly string[]} needs steps that must have gone well
 * @property {number} seconds at most
 * @property {(here: Here) => Promise<Came>} run
 */

const main = { precision: 'bf16', batch: '256' };

/** @type {readonly Step[]} */
export const steps = [
  { name: 'machine', does: 'processor, memory, compilers, GPUs', needs: [], seconds: 30, run: lookAround },
  { name: 'pytorch', does: 'the PyTorch to build against', needs: [], seconds: 120, run: findPytorch },
  { name: 'configure', does: 'cmake', needs: ['pytorch'], seconds: 60, run: configure },
  { name: 'build', does: 'the addon', needs: ['configure'], seconds: 300, run: build },
  { name: 'forward', does: 'logits on the device and on the CPU', needs: ['build'], seconds: 60, run: compareForward },
  { name: 'addon', does: 'packs what was built', needs: ['build'], seconds: 30, run: bringAddon },
  {
    name: 'test-forward',
    does: "forward, predictions, evaluation against PyTorch's and the CPU's",
    needs: ['build'],
    seconds: 120,
    run: gpuTests('forward'),
  },
  { name: 'ours', does: 'speed, batch 256', needs: ['build'], seconds: 120, run: bench('ours', main) },
  {
    name: 'torchvision',
    does: 'speed, batch 256: eager, channels-last, fused optimizer',
    needs: ['build'],
    seconds: 90,
    run: bench('resident', main),
  },
  {
    name: 'captured',
    does: 'speed, batch 256, with the captured step',
    needs: ['build'],
    seconds: 90,
    run: bench('captured', main),
  },
  {
    name: 'test-training',
    does: "training steps against the CPU's and PyTorch's",
    needs: ['build'],
    seconds: 180,
    run: gpuTests('training'),
  },
  {
    name: 'searched',
    does: "speed, batch 256, with cuDNN's search",
    needs: ['build'],
    seconds: 90,
    run: bench('searched', main),
  },
  {
    name: 'compiled',
    does: 'speed, batch 256: torchvision with torch.compile',
    needs: ['build'],
    seconds: 180,
    run: bench('compiled', main),
  },
  {
    name: 'small-batch',
    does: 'speed, batch 64: ours, with the captured step, torchvision',
    needs: ['build'],
    seconds: 150,
    run: bench('ours,captured,resident', { precision: 'bf16', batch: '64' }),
  },
  {
    name: 'test-runs',
    does: 'runs that are stopped and go on, a captured step',
    needs: ['build'],
    seconds: 120,
    run: gpuTests('runs'),
  },
  {
    name: 'test-kernels',
    does: "the kernels against PyTorch's",
    needs: ['build'],
    seconds: 180,
    run: gpuTests('kernels', "results are PyTorch's"),
  },
  { name: 'headers', does: "packs libtorch's headers", needs: ['pytorch'], seconds: 90, run: bringHeaders },
  {
    name: 'sanitizer',
    does: 'the kernels under compute-sanitizer',
    needs: ['build'],
    seconds: 240,
    run: gpuTests('kernels', 'compute-sanitizer'),
  },
];
