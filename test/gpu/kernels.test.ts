import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildDeviceKernels, builtBefore, groups } from '../cuda/support/build.js';
import { skip } from '../cuda/support/compiler.js';
import { runProgram } from '../cuda/support/run.js';
import { findComputeSanitizer, noDevice } from './support/device.js';

/** The host reads results as soon as a kernel was launched. */
const env = { CUDA_LAUNCH_BLOCKING: '1' };

describe('the CUDA kernels on a device', { skip: noDevice || skip }, () => {
  const built = builtBefore((folder) => buildDeviceKernels(folder, 'native'));

  for (const group of groups) {
    it(`${group}: the results are PyTorch's`, async () => {
      for (const seed of [1, 2, 3]) {
        const outcome = await runProgram([built.program, group, seed], env);
        assert.equal(outcome.status, 0, outcome.stderr);
        assert.ok(JSON.parse(outcome.stdout).cases > 0);
      }
    });
  }

  for (const tool of ['memcheck', 'racecheck', 'synccheck']) {
    it(`pass compute-sanitizer's ${tool}`, async (t) => {
      const sanitizer = await findComputeSanitizer();
      if (sanitizer === null) return t.skip('compute-sanitizer is not installed: it comes with the CUDA toolkit');
      for (const group of groups) {
        const outcome = await runProgram(
          [sanitizer, '--tool', tool, '--error-exitcode', '9', built.program, group, 1],
          env,
        );
        assert.equal(outcome.status, 0, `${group}: ${outcome.stdout}\n${outcome.stderr}`);
      }
    });
  }
});
