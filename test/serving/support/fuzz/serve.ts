import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from '../../../support/paths.js';
import { startServe } from '../command.js';
import { writeCheckpoint } from '../model.js';
import { type FuzzFigures, fuzz } from './run.js';

/** Memory that a server may grow by while it is attacked; a model that is being loaded is in it twice. */
const GROWTH_BYTES = 600e6;

async function residentBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]);
}

/**
 * Attacks the real command, in a process of its own, so that one that dies is seen to. Its models are loaded again now
 * and then. It must answer a good client all the while, keep its memory, and end in order.
 */
export async function fuzzServe(t: TestContext, seconds: number): Promise<void> {
  const seed = Number(process.env.RESNET_TORCH_FUZZ_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed} (RESNET_TORCH_FUZZ_SEED repeats it)`);
  const checkpoint = await writeCheckpoint(join(await temporaryDirectory(t), 'model.safetensors'), ['ants', 'bees']);
  const limits = ['--timeout', '2500', '--max-body', '100000', '--max-queue', '32', '--max-images', '8'];
  const server = await startServe(t, [
    checkpoint,
    ...limits,
    '--precision',
    'fp32',
    '--workers',
    '1',
    '--threads',
    '1',
  ]);
  const tell = ({ attacks, good, busy, statuses }: FuzzFigures) =>
    t.diagnostic(`${attacks} attacks, ${good} good requests (${busy} busy), answers ${JSON.stringify(statuses)}`);
  const reloads = setInterval(() => server.child.kill('SIGHUP'), Math.max(2000, (seconds * 1000) / 20));
  try {
    await fuzz({ ...server, seconds: Math.min(3, seconds / 3), seed });
    const before = await residentBytes(server.url);
    const figures = await fuzz({ ...server, seconds, seed: seed + 1, onProgress: tell });
    tell(figures);
    const grown = (await residentBytes(server.url)) - before;
    t.diagnostic(`memory grew by ${(grown / 1e6).toFixed(1)} MB`);
    assert.ok(grown < GROWTH_BYTES, `${grown} bytes`);
    assert.ok(figures.attacks > seconds && figures.good > seconds && figures.busy < figures.good / 2);
    assert.ok((figures.statuses[422] ?? 0) > 0 && (figures.statuses[413] ?? 0) > 0 && (figures.statuses[200] ?? 0) > 0);
  } catch (error) {
    t.diagnostic(`the server said: ${server.stderr()}`);
    throw error;
  } finally {
    clearInterval(reloads);
  }
  assert.equal(await server.end('SIGTERM'), 0, server.stderr());
  assert.match(server.stderr(), /Loaded again: model\./);
  assert.doesNotMatch(server.stderr(), /\n +at /, 'no stack');
}
