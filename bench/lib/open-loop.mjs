/** Load that does not ask whether earlier requests were answered, as that of many clients does not. */

import { Agent, request } from 'node:http';

/** Milliseconds after which a request without an answer has failed. */
const TIMEOUT = 60_000;

/**
 * @typedef {{ method: string, path: string, headers: Record<string, string>, body: Buffer }} Request
 * @typedef {{ offered: number, answered: number, p50: number, p99: number, statuses: Record<string, number>, failed: number }} Outcome
 */

/**
 * Sends requests in turn, `rate` a second for some seconds, each over a connection that is free or a new one, and waits
 * for all answers. `answered` are those with 200 a second until the last was there; p50 and p99 are theirs, in ms.
 *
 * @param {{ url: string, requests: readonly Request[], seconds: number, rate: number }} load
 * @returns {Promise<Outcome>}
 */
export async function openLoop({ url, requests, seconds, rate }) {
  const agent = new Agent({ keepAlive: true });
  /** @type {Record<string, number>} */
  const statuses = {};
  /** @type {number[]} */
  const latencies = [];
  let failed = 0;

  /** @param {Request} what @returns {Promise<void>} */
  const send = ({ method, path, headers, body }) =>
    new Promise((done) => {
      const start = performance.now();
      const fail = () => {
        failed++;
        done();
      };
      const sent = request(new URL(path, url), { agent, method, headers, timeout: TIMEOUT }, (answer) => {
        answer.resume();
        answer.once('error', fail);
        answer.once('end', () => {
          const status = String(answer.statusCode);
          statuses[status] = (statuses[status] ?? 0) + 1;
          if (status === '200') latencies.push(performance.now() - start);
          done();
        });
      });
      sent.once('timeout', () => sent.destroy(new Error('no answer in time')));
      sent.once('error', fail);
      sent.end(body);
    });

  /** @type {Promise<void>[]} */
  const all = [];
  const begin = performance.now();
  for (let passed = 0; passed < seconds; passed = (performance.now() - begin) / 1000) {
    while (all.length < passed * rate) all.push(send(/** @type {Request} */ (requests[all.length % requests.length])));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const offered = all.length / ((performance.now() - begin) / 1000);
  await Promise.all(all);
  const took = (performance.now() - begin) / 1000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    Math.round(latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? 0);
  return { offered, answered: latencies.length / took, p50: at(0.5), p99: at(0.99), statuses, failed };
}
