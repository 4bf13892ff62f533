import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot, temporaryDirectory } from '../../support/paths.js';
import { compileProgram, nativeSources, SANITIZED } from '../support/programs.js';

interface Counts {
  /** Decoded to the same pixels; left to libjpeg; refused by both. */
  readonly same: number;
  readonly left: number;
  readonly refused: number;
}

interface Beyond {
  /** Of those changed, decoded here since what libjpeg refuses lies above the box. */
  readonly beyond: number;
}

const SOURCES = [
  'view/geometry',
  'entropy_decoder',
  'image_cache',
  'jpeg',
  'jpeg_layout',
  'orientation',
  'progressive_decoder',
  'resize',
  'scan_data',
];
const CORE = nativeSources('core', ['pages', 'available_memory']);
const FIXTURES = join(projectRoot, 'test', 'fixtures', 'jpeg');

test("the entropy decoder comes to libjpeg's pixels, or leaves a file to it, whatever is done to the file", async (t) => {
  const folder = await temporaryDirectory(t);
  const program = join(folder, 'entropy');
  compileProgram(
    program,
    'data/entropy.cc',
    [...nativeSources('data', SOURCES), ...CORE],
    [...SANITIZED, '-ljpeg', '-pthread'],
  );
  const names = readdirSync(FIXTURES).sort();
  const output = execFileSync(program, ['60', ...names.map((name) => join(FIXTURES, name))], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' },
  });
  const lines = output.trimEnd().split('\n');
  assert.equal(lines.length, names.length);
  for (const [i, line] of lines.entries()) {
    const { same, left, refused, changed } = JSON.parse(line) as Counts & { readonly changed: Counts & Beyond };
    assert.deepEqual([names[i], same, left, refused], [names[i], 4, 0, 0]);
    assert.ok(changed.same + changed.left + changed.refused > 100, names[i]);
    // Segments above the box are passed over, whatever is in them, where there are such.
    if (!names[i]?.startsWith('restart')) assert.equal(changed.beyond, 0, names[i]);
    else if (names[i] === 'restart-row-optimized.jpg') assert.ok(changed.beyond > 0);
  }
  // None of these is left to libjpeg as it is: what is broken shows that it was looked at here.
  for (const kind of ['sampled-2x2', 'restart-2', 'progressive', 'progressive-restart', 'progressive-grey']) {
    const line = lines[names.indexOf(`${kind}.jpg`)] ?? '';
    assert.ok(JSON.parse(line).changed.left > 0, kind);
  }
});
