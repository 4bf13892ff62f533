#!/usr/bin/env node
/**
 * `npm run test:variant`: the tests of `npm test` over the CUDA variant of the addon, which computes on the CPU where there is
 * no GPU, with another libtorch than the CPU variant's.
 *
 *   node scripts/test-variant.mjs                 all of them
 *   node scripts/test-variant.mjs --part          one or two for each way into native code, which a CI has time for
 *   node scripts/test-variant.mjs test/native     files, or all below folders
 *
 * Builds the variant where it is not there. Without nvcc it says so and exits with 3.
 */

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findToolkit } from './setup/cuda-toolkit.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const part = [
  'test/native/model.test.ts',
  'test/native/compiled.test.ts',
  'test/native/suffix.test.ts',
  'test/native/lifecycle.test.ts',
  'test/model/golden.test.ts',
  'test/optim/optimizers.test.ts',
  'test/inference/predictor.test.ts',
  'test/training/train.test.ts',
  'test/training/session.test.ts',
];

/** @param {string} script @param {readonly string[]} args @param {NodeJS.ProcessEnv} env */
function run(script, args, env = process.env) {
  const file = join(root, 'scripts', script);
  const { status, signal } = spawnSync(process.execPath, [file, ...args], { cwd: root, env, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

const args = process.argv.slice(2);
if (findToolkit() === null) {
  process.stderr.write(
    'No nvcc: there is no CUDA variant to test. Install the CUDA toolkit, or name it by CUDA_HOME.\n',
  );
  process.exit(3);
}
run('setup.mjs', ['--native', '--device', 'cuda']);
run('test.mjs', args[0] === '--part' ? part : args, { ...process.env, RESNET_TORCH_VARIANT: 'cuda' });
