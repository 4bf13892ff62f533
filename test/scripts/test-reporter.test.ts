import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';

const tests = `
  import { describe, it, test } from 'node:test';
  test('runs', () => {});
  test('is left out', { skip: 'there is no GPU here' }, () => {});
  test('leaves itself out', (t) => t.skip('nothing can be mounted'));
  describe('a suite', { skip: 'not today' }, () => { it('is not reached', () => {}); });
  describe('another suite', () => { it('says nothing', { skip: true }, () => {}); it('counts', (t) => t.diagnostic('tests 7')); });
`;

it('names the tests that were skipped above the closing counts, which come last', async (t) => {
  const folder = await temporaryDirectory(t);
  const file = join(folder, 'some.test.mjs');
  await writeFile(file, tests);
  // A process that a test runner has started would not be one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const reporter = join(projectRoot, 'scripts', 'test-reporter.mjs');
  const { stdout, status } = spawnSync(process.execPath, ['--test', `--test-reporter=${reporter}`, file], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
  const lines = stdout.trimEnd().split('\n');
  const first = lines.findIndex((line) => /^. skipped: /.test(line));
  assert.deepEqual(
    lines.slice(first, first + 7).map((line) => line.slice(2)),
    [
      'skipped: is left out (some.test.mjs): there is no GPU here',
      'skipped: leaves itself out (some.test.mjs): nothing can be mounted',
      'skipped suite: a suite (some.test.mjs): not today',
      'skipped: says nothing (some.test.mjs): no reason given',
      'skipped in all: 3 tests and 1 suites',
      'tests 5',
      'suites 2',
    ],
  );
  assert.match(lines.at(-1) ?? '', /^. duration_ms /);
  assert.ok(lines.slice(0, first).every((line) => !line.includes('skipped: ')));
});
