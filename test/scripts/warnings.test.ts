import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { importScript, installedCopy } from './support/script.js';

const { definitions } = await importScript<{
  definitions(root: string, variant: 'cpu' | 'cuda', libtorch: { readonly folder: string }): readonly string[];
}>('setup/native.mjs');

const libtorch = join(projectRoot, 'vendor', 'libtorch-cpu');
const hasCmake = spawnSync('cmake', ['--version']).status === 0;
const skip = hasCmake && existsSync(libtorch) ? false : 'no CMake, or no libtorch';

describe("compilers' warnings", () => {
  for (const on of [false, true]) {
    it(on ? 'end a build that asks for it' : 'end no build by default', { skip }, async (t) => {
      const build = await temporaryDirectory(t);
      const asked = on ? ['-DRESNET_TORCH_WARNINGS_AS_ERRORS=ON'] : [];
      const args = ['-S', projectRoot, '-B', build, `-DRESNET_TORCH_LIBTORCH=${libtorch}`, ...asked];
      const { status, stderr } = spawnSync('cmake', args, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const commands = JSON.parse(readFileSync(join(build, 'compile_commands.json'), 'utf8')) as { command: string }[];
      assert.ok(commands.length > 20);
      for (const { command } of commands.filter((entry) => entry.command.includes(join(projectRoot, 'native')))) {
        assert.match(command, /-Wall -Wextra/);
        assert.equal(command.includes('-Werror'), on, command);
      }
    });
  }

  it('end it in a clone, and not where the package is installed', async (t) => {
    const installed = await installedCopy(join(await temporaryDirectory(t), 'resnet-torch'));
    for (const variant of ['cpu', 'cuda'] as const) {
      const asked = (root: string) =>
        definitions(root, variant, { folder: libtorch }).filter((word) => word.includes('WARNINGS_AS_ERRORS'));
      assert.deepEqual(asked(projectRoot), ['--CDRESNET_TORCH_WARNINGS_AS_ERRORS=ON']);
      assert.deepEqual(asked(installed), ['--CDRESNET_TORCH_WARNINGS_AS_ERRORS=OFF']);
    }
  });

  it('are made errors by that option alone, of the kernels too', () => {
    for (const file of ['CMakeLists.txt', join('native', 'cuda', 'build.cmake')]) {
      const text = readFileSync(join(projectRoot, file), 'utf8');
      const guarded = /if\(RESNET_TORCH_WARNINGS_AS_ERRORS\)\n[^\n]*-Werror[^\n]*\nendif\(\)/;
      assert.match(text, guarded, file);
      assert.doesNotMatch(text.replace(guarded, ''), /-Werror/, file);
    }
  });
});
