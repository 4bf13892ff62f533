import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { compileProgram, nativeSources } from './support/programs.js';

const libtorch = process.env.RESNET_TORCH_LIBTORCH ?? join(projectRoot, 'vendor', 'libtorch-cpu');
/** The ways out that a lack of memory is told with. */
const wayOut = '--batch-size';

test('a lack of memory is told as one with ways out, whoever met it; what else fails as what it is', async (t) => {
  const program = join(await temporaryDirectory(t), 'failure');
  compileProgram(program, 'core/failure.cc', nativeSources('core', ['failure']), [
    ...['-isystem', join(libtorch, 'include')],
    ...[`-L${join(libtorch, 'lib')}`, '-lc10', `-Wl,-rpath,${join(libtorch, 'lib')}`],
  ]);
  const lines = execFileSync(program, { encoding: 'utf8' }).trimEnd().split('\n');
  const memory = (where: string) => ['ERR_OUT_OF_MEMORY', where, true];
  assert.deepEqual(
    lines.map((line) => {
      const [, code, where] = /^(\S+) ([^.]*)/.exec(line) ?? [];
      return [code, where, line.includes(wayOut)];
    }),
    [
      ['ERR_DISPOSED', 'ours', false],
      memory('Out of memory'),
      memory('Out of memory: oneDNN: could not execute a primitive'),
      memory('Out of memory: oneDNN: could not create a primitive'),
      memory('Out of memory: oneDNN: could not create a primitive'),
      ['ERR_INTERNAL', 'oneDNN: could not create a primitive descriptor for convolution', false],
      ['ERR_INTERNAL', 'another', false],
      memory('Out of memory: [enforce fail at alloc_cpu'),
      memory('The device ran out of memory: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate'),
    ],
  );
});
