import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../support/paths.js';
import { compileProgram, nativeFolder, nativeSources } from '../support/programs.js';

test('every field of a view is in the key of its features, and so is the address where anything is drawn at it', async (t) => {
  const program = join(await temporaryDirectory(t), 'view-keys');
  compileProgram(program, 'data/view-keys.cc', [
    ...nativeSources('data', ['feature_key', 'source']),
    ...nativeFolder('data/view'),
  ]);
  const lines = execFileSync(program, { encoding: 'utf8' }).trimEnd().split('\n');
  const keys = new Map(lines.map((line) => line.split(' ') as [string, string]));
  assert.equal(keys.size, lines.length);
  // What begins with = has the key of what it names: views that are the same whatever the epoch or a field without use.
  const isSame = (name: string) => name.startsWith('=');
  const names = [...keys.keys()].filter((name) => !isSame(name));
  assert.equal(new Set(names.map((name) => keys.get(name))).size, names.length);
  assert.ok(names.length > 60, `${names.length} keys`);
  assert.equal(keys.get('=center.address'), keys.get('center'));
  assert.equal(keys.get('=center.scale'), keys.get('center'));
  assert.equal(keys.get('=center.flip.probability'), keys.get('center.flip'));
  // As they have been since there are caches on disk: what is found there stays found.
  assert.deepEqual(
    ['center', 'center.flip', 'random', 'random.flip'].map((name) => keys.get(name)),
    [
      '2c2d9c74669790e7052af7b2d721cea3',
      'f49f44e959cac5a85200474ef92c6e58',
      'cd22853c17cc8dbf106533548e5bcca4',
      '5fab96fc144b0bbe79253b256666377d',
    ],
  );
});
