/** Runs a row: ours and the peer in turn, so that whatever else the machine does falls on both. */

import { betterFor, figureOfOurs, figureOfPeer } from './figures.mjs';
import { jobs } from './rows.mjs';
import { duration, say } from './say.mjs';
import { runServing } from './serving.mjs';
import { median, pairedRatio } from './statistics.mjs';
import { trainOurs, trainPeer } from './train-runs.mjs';

/** @typedef {import('./statistics.mjs').Ratio} Ratio */
/** @typedef {import('./train-runs.mjs').TrainingRun} TrainingRun */

/**
 * What a row came to. Figures are seconds of a whole process in training and start, images a second in loading and
 * prediction, requests a second in serving.
 *
 * @typedef {object} Outcome
 * @property {string} name
 * @property {string} date
 * @property {string | null} notRun why there are no figures
 * @property {import('./machine.mjs').Machine} machine
 * @property {Record<string, string | number>} [setting]
 * @property {readonly number[]} [ours]
 * @property {readonly number[]} [peer]
 * @property {Ratio} [ratio]
 * @property {readonly number[]} [oursTop1]
 * @property {readonly number[]} [peerTop1]
 * @property {readonly number[]} [oursP99] milliseconds
 * @property {readonly number[]} [peerP99]
 * @property {Overload} [overload]
 * @property {readonly number[]} [oursPeakBytes]
 * @property {readonly number[]} [peerPeakBytes]
 */

/**
 * @typedef {object} Overload
 * @property {number} seconds
 * @property {number} bearable requests a second that are all answered
 * @property {number} offered requests a second that were sent: twice that
 * @property {Record<string, number>} statuses of their answers
 * @property {number} failures neither 200 nor 429 nor 503, or no answer at all
 */

/**
 * @typedef {object} Plan
 * @property {import('./data.mjs').Material} material
 * @property {import('./environment.mjs').Peers} peers
 * @property {import('./machine.mjs').Machine} machine
 * @property {number} repeats
 * @property {number} epochs
 * @property {{ size: number, resize: number, batch: number, seconds: number, passes: number, starts: number, load: number, overload: number }} amounts
 * @property {AbortSignal} signal
 */

/** @param {import('./rows.mjs').Row} row @param {Plan} plan @returns {Promise<Outcome>} */
export async function runRow(row, plan) {
  const base = { name: row.name, date: new Date().toISOString(), machine: plan.machine };
  const missing = row.peer === null ? null : plan.peers[row.peer];
  if (missing !== null) return { ...base, notRun: missing };
  try {
    return {
      ...base,
      notRun: null,
      ...(await runKind(row, plan)),
    };
  } catch (error) {
    if (plan.signal.aborted) throw error;
    return { ...base, notRun: error instanceof Error ? error.message : String(error) };
  }
}

/** @param {import('./rows.mjs').Row} row @param {Plan} plan @returns {Promise<Partial<Outcome>>} */
function runKind(row, plan) {
  if (row.kind === 'training') return runTraining(row, plan);
  return row.kind === 'serving' ? runServing(row, plan) : runFigure(row, plan);
}

/** @param {import('./rows.mjs').TrainingRow} row @param {Plan} plan */
async function runTraining(row, { material, repeats, epochs, amounts, signal }) {
  const { size, resize, batch } = amounts;
  const setting = { data: material.data, weights: material.weights, epochs, size, resize, batch };
  /** @type {TrainingRun[]} */
  const ours = [];
  /** @type {TrainingRun[]} */
  const peer = [];
  for (let seed = 0; seed < repeats; seed++) {
    ours.push(await trainOurs(jobs[row.job].flags, setting, seed, signal));
    tell(row, seed, repeats, 'ours', ours.at(-1));
    peer.push(await trainPeer(row, setting, seed, signal));
    tell(row, seed, repeats, row.peer, peer.at(-1));
  }
  const seconds = (/** @type {TrainingRun[]} */ runs) => runs.map((run) => run.seconds);
  const top1 = (/** @type {TrainingRun[]} */ runs) => runs.map((run) => run.top1);
  const peak = (/** @type {TrainingRun[]} */ runs) => runs.flatMap((run) => run.peakBytes ?? []);
  const images = `${material.images}, ${material.train} + ${material.val}`;
  return {
    setting: { images, checkpoint: material.checkpoint, epochs, size, batch },
    ours: seconds(ours),
    peer: seconds(peer),
    ratio: pairedRatio(seconds(ours), seconds(peer), 'lower'),
    oursTop1: top1(ours),
    peerTop1: top1(peer),
    oursPeakBytes: peak(ours),
    peerPeakBytes: peak(peer),
  };
}

/** @param {import('./rows.mjs').FigureRow} row @param {Plan} plan */
async function runFigure(row, { material, repeats, amounts, signal }) {
  const { size, seconds, passes, starts } = amounts;
  const setting = { data: material.data, weights: material.weights, size, seconds, passes, signal };
  /** @type {number[]} */
  const ours = [];
  /** @type {number[]} */
  const peer = [];
  const times = row.kind === 'start' ? Math.max(starts, repeats) : repeats;
  // The first start reads files that the later ones find in memory, on both sides.
  if (row.kind === 'start') for (const figure of [figureOfOurs, figureOfPeer]) await figure(row, setting);
  for (let i = 0; i < times; i++) {
    ours.push(await figureOfOurs(row, setting));
    if (row.peer !== null) peer.push(await figureOfPeer(row, setting));
  }
  const unit = row.kind === 'start' ? duration : (/** @type {number} */ value) => `${value.toFixed(1)} img/s`;
  say(
    `${row.name.padEnd(28)} ours ${unit(median(ours))}${peer.length > 0 ? `, ${row.peer} ${unit(median(peer))}` : ''}`,
  );
  /** @type {Record<string, string | number>} */
  const described = row.kind === 'start' ? { runs: times } : { images: material.images, size };
  return {
    setting: described,
    ours,
    ...(row.peer === null ? {} : { peer, ratio: pairedRatio(ours, peer, betterFor(row)) }),
  };
}

/** @param {import('./rows.mjs').Row} row @param {number} i @param {number} of @param {string} who @param {TrainingRun} [run] */
function tell(row, i, of, who, run) {
  if (run === undefined) return;
  const memory = run.peakBytes === null ? '' : `, ${(run.peakBytes / 2 ** 30).toFixed(2)} GiB`;
  say(
    `${row.name.padEnd(28)} ${i + 1} of ${of}  ${who.padEnd(12)} ${duration(run.seconds)}, top-1 ${run.top1.toFixed(3)}${memory}`,
  );
}
