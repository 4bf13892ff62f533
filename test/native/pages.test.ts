import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { compileProgram, nativeSources, SANITIZED } from './support/programs.js';

const KINDS = {
  'as it is': [],
  'under AddressSanitizer': SANITIZED,
  'under ThreadSanitizer': ['-g', '-fsanitize=thread'],
};

describe('freed pages are kept within what the machine and its control groups leave, by threads at once', () => {
  for (const [kind, flags] of Object.entries(KINDS)) {
    it(kind, async (t) => {
      const folder = await temporaryDirectory(t);
      const program = join(folder, 'program');
      const sources = nativeSources('core', ['pages', 'available_memory']);
      compileProgram(program, 'core/pages.cc', sources, [...flags, '-pthread']);
      const ground = join(folder, 'ground');
      mkdirSync(ground);
      const options = 'allocator_may_return_null=1';
      const env = { ...process.env, ASAN_OPTIONS: options, TSAN_OPTIONS: options };
      assert.equal(execFileSync(program, [ground], { encoding: 'utf8', env }), 'checked\n');
    });
  }
});
