/**
 * Asks a server for predictions of the JPEGs in a folder, in a process of its own: by autocannon over a number of
 * connections, each of which waits for its answers, or at a rate that waits for none. Prints what came of it as JSON.
 * Usage: load.mjs URL FOLDER SECONDS connections|rate NUMBER
 */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { openLoop } from './open-loop.mjs';
import { nodePeers } from './places.mjs';

/** Images that are sent in turn. */
const IMAGES = 64;

const [url = '', folder = '', seconds = '5', kind = 'connections', number = '1'] = process.argv.slice(2);
const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.jpe?g$/i.test(name));
const headers = { 'content-type': 'image/jpeg' };
const requests = names
  .sort()
  .slice(0, IMAGES)
  .map((name) => ({ method: 'POST', path: '/v1/predict', headers, body: readFileSync(join(folder, name)) }));

/** @returns {Promise<import('./servers.mjs').Load>} */
async function closedLoop() {
  const autocannon = createRequire(`${nodePeers}/package.json`)('autocannon');
  const how = { url, connections: Number(number), duration: Number(seconds), timeout: 60, requests };
  const { statusCodeStats, duration, latency, errors, timeouts } = await autocannon(how);
  /** @type {Record<string, number>} */
  const statuses = {};
  for (const [status, { count }] of Object.entries(statusCodeStats)) statuses[status] = count;
  const requestsPerSecond = (statuses['200'] ?? 0) / duration;
  return { requestsPerSecond, p50: latency.p50, p99: latency.p99, statuses, failed: errors + timeouts };
}

/** @returns {Promise<import('./servers.mjs').Load>} */
async function atRate() {
  const { answered, ...rest } = await openLoop({ url, requests, seconds: Number(seconds), rate: Number(number) });
  return { requestsPerSecond: answered, ...rest };
}

process.stdout.write(`${JSON.stringify(await (kind === 'rate' ? atRate() : closedLoop()))}\n`);
