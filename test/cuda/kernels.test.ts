import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../support/paths.js';
import { buildKernels, builtBefore, groups } from './support/build.js';
import { skip } from './support/compiler.js';
import { runProgram } from './support/run.js';

/** Of a file of native/cuda, the group of tests whose kernels come to its barriers. */
const users: Readonly<Record<string, string>> = {
  'channels.cuh': 'norm',
  'reduce.cuh': 'loss',
  'images.cu': 'images',
  'optimizer.cu': 'optimizer',
};

/** Every barrier in the kernels, by its file and line. */
function barriers(): readonly { readonly file: string; readonly line: number }[] {
  const cuda = join(projectRoot, 'native', 'cuda');
  return readdirSync(cuda).flatMap((file) => {
    const lines = readFileSync(join(cuda, file), 'utf8').split('\n');
    return lines.flatMap((text, index) => (text.includes('__syncthreads();') ? [{ file, line: index + 1 }] : []));
  });
}

describe('the CUDA kernels, run whole in the emulator under sanitizers', { skip }, () => {
  const built = builtBefore(buildKernels);

  for (const group of groups) {
    it(`${group}: the results are PyTorch's`, async () => {
      const outcomes = await Promise.all([1, 2, 3].map((seed) => runProgram([built.program, group, seed])));
      for (const outcome of outcomes) {
        assert.equal(outcome.status, 0, outcome.stderr);
        assert.ok(JSON.parse(outcome.stdout).cases > 0);
      }
    });
  }

  for (const { file, line } of skip === false ? barriers() : []) {
    it(`misses the barrier of ${file}, line ${line}, where it is left out`, async () => {
      const group = users[file] ?? assert.fail(`no test is named for the barriers of ${file}`);
      const outcome = await runProgram([built.program, group, 1, `${file}:${line}`]);
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, /without a barrier between|read before it was written|has fenced no writes so far/);
    });
  }
});
