/**
 * What a machine allows at best: the operations that a row cannot do without, at the machine's rate of matrix products in the
 * faster of bf16 and fp32. Nothing but the shape of the network, the number of images and what is frozen enters it.
 */

import { forwardOperations, trainingOperations } from './network.mjs';
import { jobs } from './rows.mjs';
import { median } from './statistics.mjs';

/** @typedef {import('./machine.mjs').Machine} Machine */

const sum = (/** @type {readonly number[]} */ values) => values.reduce((total, value) => total + value, 0);

/** Operations a second. @param {Machine} machine @returns {number | null} */
export function peakRate({ rates }) {
  return rates === null ? null : Math.max(rates.bf16.all, rates.fp32.all);
}

/**
 * The fewest operations of a training job. What frozen units give is computed once for every view of an image (one without
 * augmentation, two with a flip, one an epoch with crops), and never again.
 *
 * @param {import('./rows.mjs').Job} job
 * @param {{ train: number, val: number, epochs: number, size: number }} setting
 */
export function leastOperations(job, { train, val, epochs, size }) {
  const { frozen, views } = jobs[job];
  const forward = forwardOperations(size);
  const prefix = sum(forward.slice(0, frozen));
  const suffix = sum(forward.slice(frozen));
  // The first unit that trains passes no gradient on: its inputs' gradients are needed in part at most.
  const step = trainingOperations(frozen, true, size) - (forward[frozen] ?? 0);
  const passes = views === 'epoch' ? epochs : Math.min(epochs, views);
  return prefix * (train * passes + val) + epochs * (train * step + val * suffix);
}

/**
 * The shares of the limit that both sides reach, 1 at the most as far as the rate is right; null where it is not known.
 *
 * @param {import('./rows.mjs').Row} row
 * @param {import('./pairs.mjs').Outcome} outcome
 * @param {Machine} machine
 * @param {readonly number[]} figures of one side
 * @returns {number | null}
 */
export function shareOfLimit(row, { setting }, machine, figures) {
  const rate = peakRate(machine);
  if (rate === null || figures.length === 0 || setting === undefined) return null;
  const figure = median(figures);
  const size = Number(setting.size);
  if (row.kind === 'prediction') return (figure * sum(forwardOperations(size))) / rate;
  if (row.kind !== 'training') return null;
  const [train, val, epochs] = [Number(setting.train), Number(setting.val), Number(setting.epochs)];
  return leastOperations(row.job, { train, val, epochs, size }) / rate / figure;
}
