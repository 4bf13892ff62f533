import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { compileProgram, nativeSources, SANITIZED } from './support/programs.js';

const CPU = '/proc/cpuinfo';
const skip =
  existsSync(CPU) && readFileSync(CPU, 'utf8').includes('avx512_bf16') ? false : 'this processor has no avx512_bf16';

const VECTORS = ['f', 'bw', 'vl', 'dq', 'bf16'].map((set) => `-mavx512${set}`);

describe('the kernels for avx512_bf16, whatever the shape and the part', { skip }, () => {
  for (const { source, says, tolerance } of [
    // Float32 sums of products, added up one after another: some roundings of 6e-8 of the largest sum.
    { source: 'weight_gradient', says: 'weight gradients are the sums of their terms', tolerance: 3e-6 },
    // One rounding to bfloat16.
    { source: 'stem', says: 'the stem is a convolution, ReLU and max-pooling', tolerance: 2 ** -8 },
  ]) {
    it(says, async (t) => {
      const folder = await temporaryDirectory(t);
      const program = join(folder, source);
      const tested = nativeSources('model/vector', [source]);
      const flags = ['-Wno-maybe-uninitialized', ...VECTORS, ...SANITIZED];
      compileProgram(program, `vector/${source}.cc`, tested, flags);
      const worst = Number(execFileSync(program, { encoding: 'utf8' }));
      assert.ok(worst < tolerance, `${worst}`);
    });
  }
});
