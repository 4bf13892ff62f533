import assert from 'node:assert/strict';
import { existsSync, realpathSync } from 'node:fs';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { installedCopy, runProgram, runSetup } from '../scripts/support/script.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';

describe('a prebuilt addon', () => {
  it('loads where nothing was built, over the libtorch that the set-up put there', async (t) => {
    const made = await runProgram(process.execPath, [join(projectRoot, 'scripts/prebuild.mjs')]);
    assert.equal(made.code, 0, made.stderr);
    const platform = `${process.platform}-${process.arch}`;
    const prebuilds = join(projectRoot, 'addons/cpu/prebuilds');
    const files = await readdir(join(prebuilds, platform));
    assert.deepEqual(
      files.map((file) => file.replace(/(glibc|musl)/, 'LIBC')),
      ['resnet-torch.LIBC.node'],
      'the addon alone, no libtorch beside it',
    );
    assert.ok(existsSync(join(projectRoot, 'addons/cpu/build/Release/resnet_torch.node')), 'the build stays as it was');

    const root = await installedCopy(join(await temporaryDirectory(t), 'package'));
    await cp(join(projectRoot, 'dist/src'), join(root, 'dist/src'), { recursive: true });
    await cp(prebuilds, join(root, 'addons/cpu/prebuilds'), { recursive: true });
    const libtorch = realpathSync(join(projectRoot, 'vendor/libtorch-cpu'));
    const setup = await runSetup(root, [], { RESNET_TORCH_LIBTORCH: libtorch });
    assert.equal(setup.code, 0, setup.stderr);
    assert.match(setup.stderr, /the prebuilt addon of the package fits/);
    assert.ok(!existsSync(join(root, 'addons/cpu/build')));

    const script = `
      const { native } = await import(${JSON.stringify(join(root, 'dist/src/native/load.js'))});
      console.log(JSON.stringify(native().info()));`;
    const loaded = await runProgram(process.execPath, ['--input-type=module', '--eval', script]);
    assert.equal(loaded.code, 0, loaded.stderr);
    const info = JSON.parse(loaded.stdout) as { compiledLibtorch: string; runtimeLibtorch: string };
    assert.equal(info.compiledLibtorch, info.runtimeLibtorch);
  });
});
