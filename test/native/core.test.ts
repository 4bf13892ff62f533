import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { compileProgram, nativeSources, SANITIZED } from './support/programs.js';

test('files are put in place whole, by names that are not taken; memory is what control groups allow', async (t) => {
  const folder = await temporaryDirectory(t);
  const program = join(folder, 'program');
  compileProgram(program, 'core/files.cc', nativeSources('core', ['atomic_file', 'available_memory']), SANITIZED);
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };
  assert.equal(execFileSync(program, [folder], { encoding: 'utf8', env }), 'checked\n');
});
