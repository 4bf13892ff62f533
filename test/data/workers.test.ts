import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultWorkers, passWorkers } from '../../src/data/loader.js';

test('a pass for a device decodes on all cores but two, one for the processor on all, and other work on half of them', () => {
  const cores = [1, 2, 3, 4, 16, 34, 64];
  assert.deepEqual(
    cores.map((count) => passWorkers(true, count)),
    [1, 1, 1, 2, 14, 32, 32],
  );
  assert.deepEqual(
    cores.map((count) => passWorkers(false, count)),
    [1, 2, 3, 4, 12, 12, 12],
  );
  assert.deepEqual(
    cores.map((count) => defaultWorkers(count)),
    [1, 1, 1, 2, 8, 12, 12],
  );
});
