import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hostileFiles } from '../../../safety/support/hostile.js';
import { temporaryDirectory } from '../../../support/paths.js';
import { startServe } from '../command.js';
import { writeCheckpoint } from '../model.js';
import { jpeg, post } from '../serving.js';
import { lookAt, startMemory, tellMemory } from './memory.js';

/** Bytes that a server's memory may have grown by, once all were answered. */
const GROWTH_BYTES = 200e6;

/** Files that are under way at the same time. */
const AT_ONCE = 4;

const TYPE = 'application/octet-stream';

/**
 * Sends hostile files to the real command until there were so many, each kind as often as the others. Each must be
 * answered as what it is, and a good image after them as before.
 */
export async function hostileLoad(t: TestContext, count: number, log: (line: string) => void): Promise<void> {
  const checkpoint = await writeCheckpoint(join(await temporaryDirectory(t), 'model.safetensors'), ['ants', 'bees']);
  const server = await startServe(t, [checkpoint, '--timeout', '60000', '--precision', 'fp32', '--threads', '1']);
  const good = new Uint8Array(await jpeg());
  const label = async () => {
    const { status, body } = await post(`${server.url}v1/predict`, good, TYPE);
    assert.equal(status, 200, JSON.stringify(body));
    return body.images?.[0]?.predictions[0]?.label;
  };
  const first = await label();
  const memory = await startMemory(server.url);
  const files = hostileFiles();
  const statuses: Record<number, number> = {};
  const wrong: string[] = [];
  let next = 0;
  const walk = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const file = files[at % files.length];
      if (file === undefined) return;
      const { name, bytes, expect } = file;
      const { status, body } = await post(`${server.url}v1/predict`, new Uint8Array(bytes), TYPE);
      statuses[status] = (statuses[status] ?? 0) + 1;
      const allowed = expect === 'image' ? [200, 413] : [400, 413, 422];
      if (!allowed.includes(status) && at < files.length) wrong.push(`${name}: ${status} ${JSON.stringify(body)}`);
      if (at % 50 === 0) await lookAt(memory, server.url);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, walk));
  assert.equal(await label(), first);
  await lookAt(memory, server.url);
  log(`${count} hostile files: answers ${JSON.stringify(statuses)}, ${tellMemory(memory)}`);
  assert.deepEqual(wrong, []);
  assert.ok(memory.last - memory.start < GROWTH_BYTES, tellMemory(memory));
  assert.equal(await server.end('SIGTERM'), 0, server.stderr());
  assert.doesNotMatch(server.stderr(), /\n +at /, 'no stack');
}
