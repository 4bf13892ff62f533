import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { main } from '../../src/cli/cli.js';
import { completionsOf } from '../../src/cli/complete.js';
import { OPTIMIZER_KINDS } from '../../src/optim/optimizers.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { inProcess, resnetTorch } from './support/command.js';

const complete = (...words: readonly string[]) => completionsOf(['--get-yargs-completions', 'resnet-torch', ...words]);

describe('completions', () => {
  // What a shell wants to be told depends on its name.
  const shell = process.env.SHELL;
  it('are commands, their options, and the values of options', async (t) => {
    t.after(() => {
      if (shell === undefined) delete process.env.SHELL;
      else process.env.SHELL = shell;
    });
    process.env.SHELL = '/bin/bash';
    const commands = await complete('');
    for (const name of ['train', 'predict', 'completion']) assert.ok(commands.includes(name), name);
    const options = await complete('predict', 'run', '--');
    for (const name of ['--top-k', '--strict', '--json']) assert.ok(options.includes(name), name);
    assert.ok(!options.includes('--epochs'), 'an option of another command');
    assert.deepEqual(await complete('train', '--optimizer', ''), OPTIMIZER_KINDS);
    assert.deepEqual(await complete('train', '--optimizer', 'ad'), ['adam', 'adamw']);
    assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish']);
  });

  it('are none where a file may stand, and for a line that is wrong so far', async () => {
    assert.deepEqual(await complete('predict', 'run', ''), []);
    assert.deepEqual(await complete('train', '--out', ''), []);
    assert.deepEqual(await complete('train', 'data', '--lr', 'abc', '--w'), []);
  });

  it('do not load libtorch', async () => {
    const env = { RESNET_TORCH_LIBTORCH: '/nowhere', RESNET_TORCH_VARIANT: 'none', SHELL: '/bin/bash' };
    const args = ['--get-yargs-completions', 'resnet-torch', 'train', '--sched'];
    const { code, stdout, stderr } = await resnetTorch(args, { env });
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.match(stdout, /^--schedule$/m);
  });
});

describe('resnet-torch completion', () => {
  async function script(t: TestContext, ...args: readonly string[]): Promise<string> {
    const write = t.mock.method(process.stdout, 'write', () => true);
    const code = await main(['completion', ...args]);
    write.mock.restore();
    assert.equal(code, 0);
    return write.mock.calls.map(({ arguments: [text] }) => String(text)).join('');
  }

  it('prints the script of the shell that is named', async (t) => {
    const { SHELL } = process.env;
    assert.match(await script(t, 'bash'), /complete -o bashdefault -o default -F \S+ resnet-torch/);
    assert.match(await script(t, 'zsh'), /#compdef resnet-torch/);
    assert.match(await script(t, 'fish'), /complete -f -c resnet-torch/);
    assert.equal(process.env.SHELL, SHELL);
    // The shell that asks is the one of the script, whatever the user's own is.
    assert.match(await script(t, 'zsh'), /env SHELL=zsh resnet-torch --get-yargs-completions/);
    const other = await inProcess(t, ['completion', 'tcsh']);
    assert.equal(other.code, 2);
    assert.match(other.stderr, /cannot be "tcsh": it takes bash, zsh, fish/);
  });

  it('works in bash', async (t) => {
    if (spawnSync('bash', ['--version']).status !== 0) return t.skip('there is no bash here');
    const folder = await temporaryDirectory(t);
    const bin = join(folder, 'bin');
    await mkdir(bin);
    const command = join(bin, 'resnet-torch');
    await writeFile(
      command,
      `#!/bin/sh\nexec "${process.execPath}" "${join(projectRoot, 'bin/resnet-torch.js')}" "$@"\n`,
    );
    await chmod(command, 0o755);
    await writeFile(join(folder, 'script'), await script(t, 'bash'));
    const line = ['resnet-torch', 'train', 'data', '--strategy', 'fea'];
    const asked = [
      `source '${join(folder, 'script')}'`,
      `COMP_WORDS=(${line.join(' ')})`,
      `COMP_CWORD=${line.length - 1}`,
      '_resnet-torch_yargs_completions',
      'echo "$COMPREPLY"',
    ];
    const { stdout, stderr } = spawnSync('bash', ['-c', asked.join('\n')], {
      encoding: 'utf8',
      env: { ...process.env, SHELL: '/bin/zsh', PATH: `${bin}:${process.env.PATH}` },
    });
    assert.equal(stderr, '');
    assert.equal(stdout.trim(), 'feature-extraction');
  });
});
