import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { writeFakeLibtorch } from './support/libtorch.js';
import { importScript, installedCopy, runProgram, runSetup } from './support/script.js';

interface Toolchain {
  explainMissing(missing: readonly string[]): string;
}

interface Native {
  dropIntermediates(build: string): Promise<void>;
}

interface Stamp {
  hashInputs(root: string, paths: readonly string[], facts?: readonly string[]): string;
}

describe('the set-up', () => {
  it('refuses wrong flags with code 2 and shows its help', async () => {
    for (const [args, message] of [
      [['--device', 'tpu'], /it can be cpu or cuda/],
      [['--jobs', '0'], /whole number from 1 up/],
      [['--libtorch-url', 'ftp://example'], /begins with http/],
      [['--native', '--libtorch-only'], /exclude each other/],
      [['--sha256', 'abc'], /takes 64 hexadecimal digits/],
      [['--nativ'], /Unknown option '--nativ'/],
    ] as const) {
      const setup = await runSetup(projectRoot, args);
      assert.equal(setup.code, 2, setup.stderr);
      assert.match(setup.stderr, message);
    }
    const off = await runSetup(projectRoot, ['--help'], { RESNET_TORCH_ALLOW_UNVERIFIED: 'yes' });
    assert.equal(off.code, 2);
    assert.match(off.stderr, /RESNET_TORCH_ALLOW_UNVERIFIED is "yes": it can be 1 or 0/);
    const bin = join(projectRoot, 'bin/resnet-torch.js');
    const command = await runProgram(process.execPath, [bin, 'setup', '--sha256', '12ab', '--allow-http']);
    assert.match(command.stderr, /--sha256 is "12ab": it takes 64 hexadecimal digits/, 'the command hands it on');
    const help = await runSetup(projectRoot, ['--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /RESNET_TORCH_LIBTORCH/);
  });

  it('names all that is missing for the build in one message', async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const own = await writeFakeLibtorch(join(folder, 'libtorch'), '2.13.0');
    const empty = join(folder, 'bin');
    await mkdir(empty);
    // No compiler is found on an empty path; CXX names one that is there but is none.
    const setup = await runSetup(root, ['--native'], { RESNET_TORCH_LIBTORCH: own, PATH: empty, CXX: 'c++' });
    assert.equal(setup.code, 1);
    assert.match(setup.stderr, /Missing: a C\+\+20 compiler.*; CMake 3\.21 or newer; Ninja or Make/);
    assert.match(setup.stderr, /apt-get install g\+\+ cmake ninja-build/);
    assert.match(setup.stderr, /dnf install gcc-c\+\+ cmake ninja-build/);
    assert.match(setup.stderr, /xcode-select --install && brew install cmake ninja/);
  });

  it('names libjpeg-turbo by its packages', async () => {
    const { explainMissing } = await importScript<Toolchain>('setup/toolchain.mjs');
    const message = explainMissing(['jpeg']);
    assert.match(message, /apt-get install libjpeg-dev\n/);
    assert.match(message, /dnf install libjpeg-turbo-devel\n/);
    assert.match(message, /brew install jpeg-turbo\n/);
  });

  it('names nvcc where the CUDA variant is built', async () => {
    const { explainMissing } = await importScript<Toolchain>('setup/toolchain.mjs');
    const message = explainMissing(['nvcc']);
    assert.match(message, /Missing: nvcc of CUDA 13 \(CUDA_HOME names/);
    assert.match(message, /apt-get install cuda-nvcc-13-0 cuda-cudart-dev-13-0/);
    assert.doesNotMatch(message, /macOS/);
  });

  it('leaves of an installed build what is loaded, and by what it is known to be current', async (t) => {
    const { dropIntermediates } = await importScript<Native>('setup/native.mjs');
    const build = await temporaryDirectory(t);
    for (const path of [
      'Release/resnet_torch.node',
      '.setup-stamp',
      'CMakeCache.txt',
      'CMakeFiles/a/b.o',
      '.ninja_log',
    ]) {
      await mkdir(join(build, path, '..'), { recursive: true });
      await writeFile(join(build, path), '');
    }
    await dropIntermediates(build);
    assert.deepEqual((await readdir(build, { recursive: true })).sort(), [
      '.setup-stamp',
      'Release',
      'Release/resnet_torch.node',
    ]);
  });

  it('sees a change of any input, and no other', async (t) => {
    const { hashInputs } = await importScript<Stamp>('setup/stamp.mjs');
    const root = await temporaryDirectory(t);
    await mkdir(join(root, 'sources/deep'), { recursive: true });
    await writeFile(join(root, 'sources/deep/a'), 'one');
    await writeFile(join(root, 'elsewhere'), 'one');
    const inputs = ['sources', 'list', 'absent'];
    const before = hashInputs(root, inputs, ['2.13.0']);
    await writeFile(join(root, 'elsewhere'), 'two');
    assert.equal(hashInputs(root, inputs, ['2.13.0']), before);
    assert.notEqual(hashInputs(root, inputs, ['2.14.1']), before);
    await writeFile(join(root, 'sources/deep/a'), 'two');
    const changed = hashInputs(root, inputs, ['2.13.0']);
    assert.notEqual(changed, before);
    await writeFile(join(root, 'list'), '');
    assert.notEqual(hashInputs(root, inputs, ['2.13.0']), changed);
  });
});
