import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../support/paths.js';
import { compileProgram, nativeSources } from '../support/programs.js';

test('a buffer that there was no memory for is empty, not of a size that it does not have', async (t) => {
  const program = join(await temporaryDirectory(t), 'scratch');
  const flags = ['-Wno-alloc-size-larger-than', '-pthread'];
  compileProgram(program, 'data/scratch.cc', nativeSources('core', ['pages', 'available_memory']), flags);
  const { status, signal } = spawnSync(program);
  assert.deepEqual([status, signal], [0, null]);
});
