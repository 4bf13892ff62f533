/**
 * Asks a server for predictions of the JPEGs in a folder, by autocannon, in a process of its own. Prints what came of it
 * as JSON. Usage: load.mjs URL FOLDER CONNECTIONS SECONDS [REQUESTS A SECOND, IN ALL]
 */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { nodePeers } from './places.mjs';

/** Images that are sent in turn. */
const IMAGES = 64;

const autocannon = createRequire(`${nodePeers}/package.json`)('autocannon');

const [url = '', folder = '', connections = '1', seconds = '5', rate] = process.argv.slice(2);
const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.jpe?g$/i.test(name));
const headers = { 'content-type': 'image/jpeg' };
const requests = names
  .sort()
  .slice(0, IMAGES)
  .map((name) => ({ method: 'POST', path: '/v1/predict', headers, body: readFileSync(join(folder, name)) }));
const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  timeout: 60,
  requests,
  ...(rate === undefined ? {} : { overallRate: Number(rate) }),
});
/** @type {Record<string, number>} */
const statuses = {};
for (const [status, { count }] of Object.entries(result.statusCodeStats)) statuses[status] = count;
process.stdout.write(
  `${JSON.stringify({
    requestsPerSecond: (statuses['200'] ?? 0) / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    statuses,
    failed: result.errors + result.timeouts,
  })}\n`,
);
