import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { addonObjects, compiledAsAddon, libtorchFlags } from '../cuda/support/compiler.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';

test("a weight's gradient is the sum over the ranges it is cut into, in float32", {
  skip: process.arch !== 'x64' && 'the kernel is for x86-64',
}, async (t) => {
  const program = join(await temporaryDirectory(t), 'ranges');
  const own = await compiledAsAddon(join(projectRoot, 'test', 'native', 'vector', 'ranges.cc'));
  const tested = addonObjects('model').filter((name) => name.endsWith('/convolution_gradient.cc.o'));
  execFileSync(process.env.CXX ?? 'c++', [own, ...tested, '-o', program, ...libtorchFlags()]);
  const worst = Number(execFileSync(program, { encoding: 'utf8' }));
  assert.ok(worst < 1e-5, String(worst));
});
