/** Runs rows: ours and the peers in turn, so that whatever else the machine does falls on all. */

import { runDecoding } from './decoding.mjs';
import { betterFor, figureOfOurs, figureOfPeer } from './figures.mjs';
import { jobs } from './rows.mjs';
import { duration, say } from './say.mjs';
import { runServing } from './serving.mjs';
import { median, pairedRatio } from './statistics.mjs';
import { trainOurs, trainPeer } from './train-runs.mjs';

/** @typedef {import('./statistics.mjs').Ratio} Ratio */
/** @typedef {import('./train-runs.mjs').TrainingRun} TrainingRun */
/** @typedef {import('./rows.mjs').TrainingRow} TrainingRow */

/**
 * What a row came to. Figures are seconds of a whole process in training and start, images a second in loading and
 * prediction, requests a second in serving.
 *
 * @typedef {object} Outcome
 * @property {string} name
 * @property {string} date
 * @property {string | null} notRun why there are no figures
 * @property {import('./machine.mjs').Conditions} conditions
 * @property {Record<string, string | number>} [setting]
 * @property {readonly number[]} [ours]
 * @property {readonly number[]} [peer]
 * @property {Ratio} [ratio]
 * @property {readonly number[]} [oursTop1]
 * @property {readonly number[]} [peerTop1]
 * @property {readonly number[]} [oursP99] milliseconds
 * @property {readonly number[]} [peerP99]
 * @property {Overload} [overload]
 * @property {readonly import('./decoding.mjs').Decoded[]} [decoded]
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
 * @property {import('./machine.mjs').Conditions} conditions
 * @property {number} repeats
 * @property {number} epochs
 * @property {{ size: number, resize: number, batch: number, seconds: number, passes: number, starts: number, load: number, overload: number }} amounts
 * @property {AbortSignal} signal
 */

/** @param {import('./rows.mjs').Row} row @param {Plan} plan */
function beginning(row, plan) {
  return { name: row.name, date: new Date().toISOString(), conditions: plan.conditions };
}

/** @param {Exclude<import('./rows.mjs').Row, TrainingRow>} row @param {Plan} plan @returns {Promise<Outcome>} */
export async function runRow(row, plan) {
  const base = beginning(row, plan);
  const missing = row.peer === null ? null : plan.peers[row.peer];
  if (missing !== null) return { ...base, notRun: missing };
  try {
    const figures = await figuresOf(row, plan);
    return { ...base, notRun: null, ...figures };
  } catch (error) {
    if (plan.signal.aborted) throw error;
    return { ...base, notRun: reasonOf(error) };
  }
}

/** @param {Exclude<import('./rows.mjs').Row, TrainingRow>} row @param {Plan} plan */
function figuresOf(row, plan) {
  if (row.kind === 'decoding') return runDecoding(row, plan);
  return row.kind === 'serving' ? runServing(row, plan) : runFigure(row, plan);
}

/** @param {unknown} error */
const reasonOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Rows of one job, held against each other in one run: ours, then every peer, and again.
 *
 * @param {readonly TrainingRow[]} rows of the same job
 * @param {Plan} plan
 * @returns {Promise<readonly Outcome[]>} one for each row
 */
export async function runJob(rows, plan) {
  const { material, machine, repeats, epochs, amounts, signal } = plan;
  const [first] = rows;
  if (first === undefined) return [];
  const { size, resize, batch } = amounts;
  const { data, weights, train, val } = material;
  const setting = { data, weights, epochs, size, resize, batch, fastBf16: machine.fastBf16 };
  /** @type {TrainingRun[]} */
  const ours = [];
  const peers = rows.map((row) => ({ row, runs: /** @type {TrainingRun[]} */ ([]), problem: plan.peers[row.peer] }));
  for (let seed = 0; seed < repeats && peers.some(({ problem }) => problem === null); seed++) {
    ours.push(await trainOurs(jobs[first.job].flags, setting, seed, signal));
    tell(first.job, seed, repeats, 'ours', ours.at(-1));
    for (const peer of peers) {
      if (peer.problem !== null) continue;
      try {
        peer.runs.push(await trainPeer(peer.row, setting, seed, signal));
      } catch (error) {
        if (signal.aborted) throw error;
        peer.problem = reasonOf(error);
        continue;
      }
      tell(peer.row.name, seed, repeats, peer.row.peer, peer.runs.at(-1));
    }
  }
  return peers.map(({ row, runs, problem }) => {
    const base = beginning(row, plan);
    if (problem !== null) return { ...base, notRun: problem };
    return {
      ...base,
      notRun: null,
      setting: { images: material.images, train, val, checkpoint: material.checkpoint, epochs, size, batch },
      ours: seconds(ours),
      peer: seconds(runs),
      ratio: pairedRatio(seconds(ours), seconds(runs), 'lower'),
      oursTop1: ours.map((run) => run.top1),
      peerTop1: runs.map((run) => run.top1),
      oursPeakBytes: peak(ours),
      peerPeakBytes: peak(runs),
    };
  });
}

/** @param {readonly TrainingRun[]} runs */
const seconds = (runs) => runs.map((run) => run.seconds);

/** @param {readonly TrainingRun[]} runs */
const peak = (runs) => runs.flatMap((run) => run.peakBytes ?? []);

/** @param {import('./rows.mjs').FigureRow} row @param {Plan} plan */
async function runFigure(row, { material, machine, repeats, amounts, signal }) {
  const { size, seconds, passes, starts } = amounts;
  const setting = {
    data: material.data,
    weights: material.weights,
    size,
    seconds,
    passes,
    fastBf16: machine.fastBf16,
    signal,
  };
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

/** @param {string} name @param {number} i @param {number} of @param {string} who @param {TrainingRun} [run] */
function tell(name, i, of, who, run) {
  if (run === undefined) return;
  const memory = run.peakBytes === null ? '' : `, ${(run.peakBytes / 2 ** 30).toFixed(2)} GiB`;
  say(
    `${name.padEnd(28)} ${i + 1} of ${of}  ${who.padEnd(12)} ${duration(run.seconds)}, top-1 ${run.top1.toFixed(3)}${memory}`,
  );
}
