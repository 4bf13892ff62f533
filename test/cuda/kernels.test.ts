import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../support/paths.js';
import { buildKernels, buildWith, builtBefore, groups, runProgram, skip } from './support/build.js';

const barrier = '__syncthreads();';

/** Of a file of native/cuda, a kernel file and a group of tests that it is part of. */
const users: Readonly<Record<string, readonly [string, string]>> = {
  'channels.cuh': ['norm_forward.cu', 'norm'],
  'reduce.cuh': ['loss.cu', 'loss'],
  'images.cu': ['images.cu', 'images'],
  'gradient_norm.cu': ['gradient_norm.cu', 'optimizer'],
};

/** Every barrier in the kernels: its file, and where in it. */
function barriers(): readonly { readonly file: string; readonly offset: number }[] {
  const cuda = join(projectRoot, 'native', 'cuda');
  return readdirSync(cuda).flatMap((file) => {
    const text = readFileSync(join(cuda, file), 'utf8');
    return [...text.matchAll(/__syncthreads\(\);/g)].map((match) => ({ file, offset: match.index }));
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

  for (const { file, offset } of skip === false ? barriers() : []) {
    const line = readFileSync(join(projectRoot, 'native', 'cuda', file), 'utf8')
      .slice(0, offset)
      .split('\n').length;
    it(`misses the barrier of ${file}, line ${line}, where it is taken out`, async () => {
      const [kernels, group] = users[file] ?? assert.fail(`no test is named for the barriers of ${file}`);
      const native = join(built.folder, `without-${file}-${offset}`);
      await cp(join(projectRoot, 'native', 'cuda'), join(native, 'cuda'), { recursive: true });
      const changed = join(native, 'cuda', file);
      const text = readFileSync(changed, 'utf8');
      writeFileSync(changed, `${text.slice(0, offset)}{}${text.slice(offset + barrier.length)}`);
      const broken = join(native, 'kernels');
      await buildWith(built.folder, native, kernels, broken);
      const outcome = await runProgram([broken, group, 1]);
      assert.equal(outcome.status, 1);
      assert.match(outcome.stderr, /without a barrier between|read before it was written/);
    });
  }
});
