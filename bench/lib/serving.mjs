/** The rows of serving: ours against a plain server at an equal p99, and ours at more than it can bear. */

import { say } from './say.mjs';
import { best, failures, measureOverload, measureServer } from './servers.mjs';
import { pairedRatio } from './statistics.mjs';

/** @typedef {import('./servers.mjs').Rung} Rung */

/** @param {import('./rows.mjs').ServingRow} row @param {import('./pairs.mjs').Plan} plan */
export function runServing(row, plan) {
  return row.name === 'serve/rate' ? runRate(row, plan) : runOverload(row, plan);
}

/** @param {import('./pairs.mjs').Plan} plan */
function settingOf({ material, amounts, signal }) {
  const { size, resize, load: loadSeconds, overload: overloadSeconds } = amounts;
  return { data: material.data, weights: material.weights, size, resize, loadSeconds, overloadSeconds, signal };
}

/** @param {import('./rows.mjs').ServingRow} row @param {import('./pairs.mjs').Plan} plan */
async function runRate(row, plan) {
  const setting = settingOf(plan);
  /** @type {Rung[]} */
  const ours = [];
  /** @type {Rung[]} */
  const peer = [];
  for (let i = 0; i < plan.repeats; i++) {
    const rungs = await measureServer('ours', setting);
    const theirs = best(await measureServer('peer', setting));
    if (theirs === undefined) throw new Error('The peer was not measured.');
    const own = best(rungs, theirs.p99);
    if (own === undefined) throw new Error(`Ours keeps no p99 of ${theirs.p99} ms: ${JSON.stringify(rungs)}`);
    ours.push(own);
    peer.push(theirs);
    say(`${row.name.padEnd(28)} ${i + 1} of ${plan.repeats}  ours ${show(own)}; ${row.peer} ${show(theirs)}`);
  }
  const rates = (/** @type {Rung[]} */ rungs) => rungs.map(({ requestsPerSecond }) => requestsPerSecond);
  const p99s = (/** @type {Rung[]} */ rungs) => rungs.map(({ p99 }) => p99);
  return {
    setting: { images: plan.material.images, size: setting.size, seconds: setting.loadSeconds },
    ours: rates(ours),
    peer: rates(peer),
    ratio: pairedRatio(rates(ours), rates(peer), 'higher'),
    oursP99: p99s(ours),
    peerP99: p99s(peer),
  };
}

/** @param {Rung} rung */
function show({ requestsPerSecond, p99, connections }) {
  return `${requestsPerSecond.toFixed(1)} requests/s, p99 ${p99} ms (${connections} connections)`;
}

/** @param {import('./rows.mjs').ServingRow} row @param {import('./pairs.mjs').Plan} plan */
async function runOverload(row, plan) {
  const setting = settingOf(plan);
  const load = await measureOverload(setting);
  const { bearable, offered = 0, statuses, requestsPerSecond, p99 } = load;
  const failed = failures(load);
  say(
    `${row.name.padEnd(28)} ${offered.toFixed(1)} requests/s, bearable ${bearable.toFixed(1)}: ${JSON.stringify(statuses)}, ${failed} failed`,
  );
  return {
    setting: { images: plan.material.images, size: setting.size, seconds: setting.overloadSeconds },
    ours: [requestsPerSecond],
    oursP99: [p99],
    overload: { seconds: setting.overloadSeconds, bearable, offered, statuses, failures: failed },
  };
}
