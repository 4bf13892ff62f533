import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from '../../../support/paths.js';
import { startServe } from '../command.js';
import { writeCheckpoint } from '../model.js';
import { lookAt, tellMemory } from './memory.js';
import { type FuzzFigures, fuzz, type KindFigures } from './run.js';

/** Bytes that a server's memory may have grown by at the end. Meanwhile a model that is loaded again is in it twice. */
const GROWTH_BYTES = 200e6;

/** Looks at the memory, each after more work, until what was left to be collected is. */
const MOST_LOOKS = 2000;

/** Statuses by how often they were answered, of all kinds of attacks or of one. */
function statusesOf(kinds: readonly KindFigures[]): Readonly<Record<number, number>> {
  const all: Record<number, number> = {};
  for (const { statuses } of kinds) {
    for (const [status, count] of Object.entries(statuses)) all[Number(status)] = (all[Number(status)] ?? 0) + count;
  }
  return all;
}

/** What happened, a line each: what good requests heard, what each kind of attack did, and the memory. */
export function summary({ attacks, good, busy, kinds, memory, closed }: FuzzFigures): readonly string[] {
  const told = (statuses: Readonly<Record<number, number>>) =>
    Object.entries(statuses)
      .map(([status, count]) => `${status === '0' ? 'none' : status}: ${count}`)
      .join(', ');
  const all = statusesOf(Object.values(kinds));
  const failures = Object.fromEntries(Object.entries(all).filter(([status]) => Number(status) >= 500));
  return [
    ...Object.entries(kinds)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, kind]) => `${kind.attacks} × ${name}: ${told(kind.statuses)}`),
    `${attacks} attacks: ${told(all)}`,
    `of these 5xx, all documented: ${told(failures) || 'none'}`,
    `${good} good requests meanwhile, ${busy} of them told to come back or too late, all others answered right`,
    `connections closed by the server: ${JSON.stringify(closed)}`,
    tellMemory(memory),
  ];
}

/** Resolves when nothing of what was asked is held any more. */
async function settled(url: string): Promise<void> {
  const held = /^resnet_torch_(?:body_bytes|answer_bytes|unanswered_images{.*}|queue_images{.*}) [1-9]/m;
  while (held.test(await (await fetch(`${url}metrics`)).text()));
}

/**
 * Attacks the real command, in a process of its own, so that one that dies is seen to. Its models are loaded again now
 * and then. It must answer a good client all the while, keep its memory, and end in order.
 */
export async function fuzzServe(t: TestContext, seconds: number, log: (line: string) => void): Promise<void> {
  const seed = Number(process.env.RESNET_TORCH_FUZZ_SEED ?? Date.now() % 1_000_000);
  log(`seed ${seed} (RESNET_TORCH_FUZZ_SEED repeats it)`);
  const checkpoint = await writeCheckpoint(join(await temporaryDirectory(t), 'model.safetensors'), ['ants', 'bees']);
  const limits = ['--timeout', '2500', '--max-body', '1200000', '--max-queue', '32', '--max-images', '8'];
  const strangers = ['--keep-alive', '3000', '--max-connections', '100', '--cors', 'https://app.example'];
  const server = await startServe(t, [
    checkpoint,
    ...limits,
    ...strangers,
    '--precision',
    'fp32',
    '--workers',
    '1',
    '--threads',
    '1',
  ]);
  const tell = ({ attacks, good, busy, memory }: FuzzFigures) =>
    log(`${attacks} attacks, ${good} good requests (${busy} busy), ${tellMemory(memory)}`);
  const reloads = setInterval(() => server.child.kill('SIGHUP'), Math.max(2000, (seconds * 1000) / 20));
  try {
    await fuzz({ ...server, seconds: Math.min(3, seconds / 3), seed });
    const figures = await fuzz({ ...server, seconds, seed: seed + 1, onProgress: tell });
    clearInterval(reloads);
    await settled(server.url);
    for (let looks = 0; looks < MOST_LOOKS; looks++) {
      await lookAt(figures.memory, server.url);
      if (figures.memory.last - figures.memory.start < GROWTH_BYTES) break;
    }
    for (const line of summary(figures)) log(line);
    const { memory } = figures;
    assert.ok(memory.last - memory.start < GROWTH_BYTES, tellMemory(memory));
    assert.ok(figures.good > figures.busy, 'a good client is answered meanwhile');
    const statuses = statusesOf(Object.values(figures.kinds));
    for (const status of [200, 403, 413, 421, 422]) assert.ok((statuses[status] ?? 0) > 0, `no ${status}`);
  } catch (error) {
    log(`the server said: ${server.stderr()}`);
    throw error;
  } finally {
    clearInterval(reloads);
  }
  assert.equal(await server.end('SIGTERM'), 0, server.stderr());
  assert.match(server.stderr(), /Loaded again: model\./);
  assert.doesNotMatch(server.stderr(), /\n +at /, 'no stack');
}
