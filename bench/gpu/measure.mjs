/** Measures one row: a child process of ours or of torchvision's, stopped when it takes too long. */

import { availableParallelism } from 'node:os';
import { runChild } from '../lib/children.mjs';
import { script } from '../lib/places.mjs';
import { byClass } from './classes.mjs';

/** @typedef {import('./options.mjs').Options} Options */
/** @typedef {import('./report.mjs').Row} Row */
/** @typedef {import('./rows.mjs').Kind} Kind */

/**
 * @typedef {object} Plan
 * @property {string} data photographs
 * @property {string} device
 * @property {number} imageSize
 * @property {number} resize
 * @property {Options} options
 * @property {string | null} python of torchvision; null where there is none
 * @property {string} noPython why
 * @property {AbortSignal} signal
 */

/** @param {string} stderr */
function reason(stderr) {
  return stderr.trimEnd().split('\n').at(-1)?.slice(0, 200) || 'it did not say why';
}

/** Of a child that prints its result as the last line. @param {string} program @param {readonly string[]} args @param {Plan} plan */
async function ask(program, args, { options, signal }) {
  const { code, stopped, stdout, stderr } = await runChild(program, args, {
    signal,
    limitSeconds: options.rowSeconds,
    env: { RESNET_TORCH_VARIANT: 'cuda' },
  });
  if (stopped) return { notRun: `stopped after ${options.rowSeconds} s` };
  if (code !== 0) return { notRun: reason(stderr) };
  return { notRun: null, ...JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') };
}

/** @param {NonNullable<Kind['ours']>} kind @param {number} batch @param {string} precision @param {Plan} plan */
async function ours(kind, batch, precision, plan) {
  const { data, device, imageSize, resize, options } = plan;
  const workers = Math.max(1, availableParallelism() - 1);
  const job = {
    data,
    device,
    precision,
    batchSize: batch,
    epochs: options.epochs,
    imageSize,
    resize,
    workers,
    ...kind,
  };
  const answer = await ask(process.execPath, [script('gpu/ours.mjs'), JSON.stringify(job)], plan);
  if (answer.notRun !== null) return answer;
  const { images, seconds, profile } = answer.recorded;
  const { classes, busy, longest } = byClass(profile);
  const count = images / batch;
  return {
    notRun: null,
    imagesPerSecond: answer.imagesPerSecond,
    startSeconds: answer.startSeconds,
    firstEpochSeconds: answer.firstEpochSeconds,
    waitingShare: answer.waitingShare,
    step: {
      convolution: classes.convolution / count,
      norm: classes.norm / count,
      rest: classes.rest / count,
      copies: classes.copies / count,
      idle: Math.max(0, 1000 * seconds - busy) / count,
    },
    longest,
  };
}

/** @param {readonly string[]} flags @param {number} batch @param {string} precision @param {Plan} plan */
async function theirs(flags, batch, precision, plan) {
  const { data, imageSize, resize, options, python, noPython } = plan;
  if (python === null) return { notRun: noPython };
  const sizes = ['--batch-size', String(batch), '--epochs', String(options.epochs), '--size', String(imageSize)];
  const args = [script('peers/torchvision_gpu.py'), data, '--precision', precision, ...sizes, ...flags];
  return ask(python, ['-B', ...args, '--resize', String(resize)], plan);
}

/** @param {Kind} kind @param {'bf16' | 'fp16'} precision @param {number} batch @param {Plan} plan @returns {Promise<Row>} */
export async function measure(kind, precision, batch, plan) {
  const answer =
    kind.ours === undefined
      ? await theirs(kind.theirs ?? [], batch, precision, plan)
      : await ours(kind.ours, batch, precision, plan);
  return { what: kind.what, precision, batch, ...answer };
}
