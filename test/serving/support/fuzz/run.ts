import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { RawConnection } from '../raw.js';
import { ATTACKS, goodImages, type Script } from './attacks.js';
import { lookAt, type Memory, startMemory } from './memory.js';
import { Random } from './random.js';
import { STRANGERS } from './strangers.js';

export interface FuzzOptions {
  readonly url: string;
  readonly port: number;
  /** At least; on a slow machine until each kind of attack had its turns. */
  readonly seconds: number;
  readonly seed: number;
  /** Attacks at the same time. Default 6. */
  readonly attackers?: number;
  /** Told now and then. */
  readonly onProgress?: (figures: FuzzFigures) => void;
}

/** What attacks of one kind were answered: how often each status; 0 where there was no answer. */
export interface KindFigures {
  attacks: number;
  readonly statuses: Record<number, number>;
}

export interface FuzzFigures {
  attacks: number;
  /** Requests of a well-behaved client meanwhile; each must be answered as it was at first. */
  good: number;
  /** Of these, how many were told to come back later, or not answered in time. */
  busy: number;
  readonly kinds: Record<string, KindFigures>;
  readonly memory: Memory;
  /** Connections that the server closed, by why. */
  closed: Readonly<Record<string, number>>;
}

const ALL = { ...ATTACKS, ...STRANGERS };
const NAMES = Object.keys(ALL);

/** Turns of each kind of attack, at least. */
const ROUNDS = 3;

/** What an attack may be answered with; 500 is a fault. */
const ALLOWED = new Set([200, 204, 400, 403, 404, 405, 408, 413, 414, 415, 417, 421, 422, 429, 431, 503, 504]);

/** A server must answer or hang up within so many milliseconds; its own time limit is far below. */
const PATIENCE_MS = 15_000;

/** Attacks a server until the time is over, while a well-behaved client is to notice nothing. */
export async function fuzz({ url, port, seconds, seed, attackers = 6, onProgress }: FuzzOptions): Promise<FuzzFigures> {
  const images = await goodImages();
  const figures: FuzzFigures = { attacks: 0, good: 0, busy: 0, kinds: {}, memory: await startMemory(url), closed: {} };
  const end = performance.now() + seconds * 1000;
  let hasFailed = false;
  const least = ROUNDS * NAMES.length;
  const isOver = () => hasFailed || (performance.now() > end && figures.attacks >= least);

  const attack = async (which: number): Promise<void> => {
    const random = new Random(seed * 1000 + which);
    // All kinds in turn, each attacker from another one on: none is left to chance.
    let turn = Math.floor((which * NAMES.length) / attackers);
    while (!isOver()) {
      const name = NAMES[turn++ % NAMES.length] ?? '';
      const script = ALL[name]?.(random, images);
      if (script === undefined) continue;
      const heard = await perform(script, port, `attack "${name}" (seed ${seed}, attacker ${which})`);
      const kind = figures.kinds[name] ?? { attacks: 0, statuses: {} };
      figures.kinds[name] = kind;
      for (const status of checkAnswers(heard, name)) kind.statuses[status] = (kind.statuses[status] ?? 0) + 1;
      kind.attacks++;
      figures.attacks++;
      if (figures.attacks % 1000 === 0) onProgress?.(figures);
    }
  };

  const behave = async (): Promise<void> => {
    let first: string | undefined;
    while (!isOver()) {
      const headers = { 'content-type': 'image/jpeg' };
      const body = new Uint8Array(images[0] ?? []);
      const response = await fetch(`${url}v1/predict?topK=1`, { method: 'POST', headers, body });
      const text = await response.text();
      figures.good++;
      // A machine that others use as well may be late.
      if (response.status === 429 || response.status === 504) figures.busy++;
      else {
        assert.equal(response.status, 200, text);
        const { label } = JSON.parse(text).images[0].predictions[0];
        first ??= label;
        assert.equal(label, first);
      }
      const health = await fetch(`${url}healthz`);
      assert.equal(health.status, 200);
      await health.arrayBuffer();
      if (figures.good % 20 === 0) await lookAt(figures.memory, url);
      await sleep(50);
    }
  };

  const all = [behave(), ...Array.from({ length: attackers }, (_, which) => attack(which))];
  for (const one of all) {
    one.catch(() => {
      hasFailed = true;
    });
  }
  const outcomes = await Promise.allSettled(all);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  figures.closed = await closedBy(url);
  return figures;
}

async function closedBy(url: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${url}metrics`)).text();
  const found = text.matchAll(/^resnet_torch_connections_closed_total\{reason="(.*)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, reason, count]) => [reason, Number(count)]));
}

async function perform({ writes, end, deafMs, staysOpen }: Script, port: number, what: string): Promise<string> {
  const connection = new RawConnection(port, { allowHalfOpen: staysOpen === true });
  if (deafMs !== undefined) connection.socket.pause();
  const stop = new AbortController();
  const tooLong = sleep(PATIENCE_MS, 'late', { signal: stop.signal }).catch(() => 'stopped');
  try {
    for (const { data, waitMs } of writes) {
      if (waitMs > 0) await sleep(waitMs);
      connection.write(data);
    }
    if (deafMs !== undefined) {
      if (end === 'shut') connection.socket.end();
      await sleep(deafMs);
      connection.socket.resume();
    }
    if (end === 'leave') {
      connection.destroy();
      return connection.heard;
    }
    if (end === 'shut') connection.socket.end();
    const over = staysOpen === true ? connection.ended() : connection.closed();
    const heard = await Promise.race([over, tooLong]);
    if (heard === 'late') throw new Error(`The server neither answered nor hung up: ${what}: ${connection.heard}`);
    return heard;
  } finally {
    stop.abort();
    connection.destroy();
  }
}

/** The statuses of all answers in what was heard. @throws where one is a fault, or a failure without its document */
function checkAnswers(heard: string, name: string): readonly number[] {
  if (heard === '') return [0];
  const statuses = [...heard.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  assert.ok(statuses.length > 0, `${name}: ${heard}`);
  assert.doesNotMatch(heard, /root:.*:0:0|"devDependencies"|\bat .*\.js:\d+/, name);
  for (const status of statuses) assert.ok(status === 100 || ALLOWED.has(status), `${name}: ${heard}`);
  if (statuses.length === 1 && (statuses[0] ?? 0) >= 400 && /\r\n\r\n./s.test(heard)) {
    assert.match(heard, /content-type: application\/problem\+json/i, `${name}: ${heard}`);
    assert.match(heard, /"type":"urn:resnet-torch:problem:[a-z-]+"/, name);
  }
  return statuses.filter((status) => status !== 100);
}
