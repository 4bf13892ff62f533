import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { importScript, runProgram } from './support/script.js';

interface Outcome {
  readonly name: string;
  readonly status: string;
  readonly rc: number | null;
  readonly note: string;
}

const { neededModules } = await importScript<{
  neededModules(root: string): readonly { name: string; version: string; folder: string }[];
}>('gpu-kit/modules.mjs');

/** What run.sh unpacks, as far as the steps themselves go, and a Python that says what it is told to. */
async function unpacked(t: TestContext, python: string) {
  const root = join(await temporaryDirectory(t), 'a place');
  for (const name of ['gpu-kit', 'setup']) {
    await cp(join(projectRoot, 'scripts', name), join(root, 'scripts', name), { recursive: true });
  }
  await writeFile(join(root, 'CONTENTS.json'), JSON.stringify({ about: { version: '1.2.3' } }));
  const file = join(root, 'python');
  await writeFile(file, `#!/bin/sh\n${python}\n`);
  await chmod(file, 0o755);
  const out = join(root, 'out');
  const args = [join(root, 'scripts', 'gpu-kit', 'main.mjs'), '--python', file, '--out', out];
  const outcomes = async (): Promise<Map<string, Outcome>> => {
    const { steps } = JSON.parse(await readFile(join(out, 'summary.json'), 'utf8')) as { steps: readonly Outcome[] };
    return new Map(steps.map((step) => [step.name, step]));
  };
  return { root, out, args, outcomes };
}

const answer = (version: string, folder: string) =>
  `echo '${JSON.stringify({ python: '/nowhere/bin/python', pythonVersion: '3.12.0', version, folder, cuda: null, devices: [] })}'`;

describe('the steps of the kit', () => {
  it('tell which step failed and why, leave out what needs it, and go on with the rest', async (t) => {
    const { args, out, outcomes } = await unpacked(t, "echo 'No module named torch' >&2; exit 3");
    const { code } = await runProgram(process.execPath, args);
    assert.equal(code, 1);
    const steps = await outcomes();
    assert.equal(steps.get('machine')?.status, 'ok');
    assert.equal(steps.get('pytorch')?.status, 'failed');
    assert.match(String(steps.get('pytorch')?.note), /No module named torch.*--python/);
    assert.equal(steps.get('build')?.note, 'needs configure');
    assert.equal(steps.get('headers')?.note, 'needs pytorch');
    const text = await readFile(join(out, 'summary.txt'), 'utf8');
    assert.match(text, /^version +1\.2\.3$/m);
    assert.match(text, /^pytorch +failed +[\d.]+ of 120 s/m);
    assert.match(await readFile(join(out, 'log.txt'), 'utf8'), /===== pytorch[\s\S]*No module named torch/);
  });

  it('refuse a PyTorch that is too old', async (t) => {
    const { args, outcomes } = await unpacked(t, answer('2.9.1', '/nowhere'));
    await runProgram(process.execPath, [...args, '--only', 'configure']);
    assert.match(String((await outcomes()).get('configure')?.note), /2\.9\.1.*2\.11/);
  });

  it('build against what is there, and bring its headers', async (t) => {
    const { root, args, out, outcomes } = await unpacked(t, '. "$0.answer"');
    const torch = join(root, 'a torch');
    await mkdir(join(torch, 'include', 'ATen'), { recursive: true });
    await writeFile(join(torch, 'include', 'ATen', 'ATen.h'), '');
    await writeFile(join(root, 'python.answer'), answer('2.12.0+cpu', torch));
    // No compiler is asked: cmake has to go wrong on a project that is not there.
    const { code } = await runProgram(process.execPath, [...args, '--only', 'build,headers']);
    assert.equal(code, 1);
    const steps = await outcomes();
    assert.match(String(steps.get('pytorch')?.note), /PyTorch 2\.12\.0\+cpu, for the CPU alone/);
    assert.equal(steps.get('configure')?.status, 'failed');
    assert.equal(steps.get('headers')?.status, 'ok');
    assert.ok(existsSync(join(out, 'headers.tar.xz')) || existsSync(join(out, 'headers.tar.gz')));
    const log = await readFile(join(out, 'log.txt'), 'utf8');
    assert.match(log, /-DRESNET_TORCH_VARIANT=cpu/);
    assert.match(log, /-DRESNET_TORCH_MORE_RPATH=\$ORIGIN\//);
  });

  it('stop a step that takes too long, with what it has started, and go on', async (t) => {
    const { root, args, outcomes } = await unpacked(t, 'echo $$ > "$0.pid"; trap "" TERM; while :; do sleep 0.1; done');
    const started = spawn(process.execPath, [...args, '--only', 'pytorch', '--patience', '0.01'], { stdio: 'ignore' });
    await once(started, 'exit');
    const { status, rc } = (await outcomes()).get('pytorch') ?? {};
    assert.deepEqual([status, rc], ['stopped', null]);
    const pid = Number(await readFile(join(root, 'python.pid'), 'utf8'));
    assert.ok(!existsSync(`/proc/${pid}`), 'it is still there');
  });

  it('have told how far they came when they are killed', async (t) => {
    const { args, outcomes, out } = await unpacked(t, 'echo begun; sleep 600 >/dev/null 2>&1');
    const started = spawn(process.execPath, [...args, '--only', 'pytorch'], { stdio: 'ignore' });
    const log = join(out, 'log.txt');
    while (!existsSync(log) || !(await readFile(log, 'utf8')).includes('begun')) await sleep(20);
    started.kill('SIGTERM');
    assert.deepEqual(await once(started, 'exit'), [143, null]);
    const steps = await outcomes();
    assert.equal(steps.get('pytorch')?.status, 'stopped');
    assert.ok(!steps.has('build'));
  });

  it('leave out what there is no time for', async (t) => {
    const { args, outcomes } = await unpacked(t, answer('2.12.0', '/nowhere'));
    const { code } = await runProgram(process.execPath, [...args, '--minutes', '0.01']);
    assert.equal(code, 0);
    for (const { status, note } of (await outcomes()).values()) {
      assert.equal(status, 'not run');
      assert.match(note, /no time was left|needs/);
    }
  });

  it('take options, and refuse others by name', async (t) => {
    const { args } = await unpacked(t, 'exit 1');
    const helped = await runProgram(process.execPath, [...args, '--help']);
    assert.equal(helped.code, 0);
    assert.match(helped.stdout, /^ {2}test-training +training steps/m);
    for (const [option, value, message] of [
      ['--only', 'biuld', /--only.*"biuld"/],
      ['--minutes', '0', /--minutes/],
      ['--architectures', 'sm_90', /--architectures.*"sm_90"/],
      ['--bathc', '1', /--bathc/],
    ] as const) {
      const { code, stderr } = await runProgram(process.execPath, [...args, option, value]);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
  });

  it('do not touch a clone', async () => {
    const main = join(projectRoot, 'scripts', 'gpu-kit', 'main.mjs');
    const { code, stderr } = await runProgram(process.execPath, [main, '--only', 'machine']);
    assert.equal(code, 2);
    assert.match(stderr, /run\.sh/);
  });
});

describe('the packages that the kit needs', () => {
  it('are those of the manifest with theirs, as Node finds them, and neither cmake-js nor what serves development', async (t) => {
    const root = await temporaryDirectory(t);
    const add = async (place: string, manifest: object): Promise<void> => {
      const folder = join(root, ...place.split('/').filter((part) => part !== ''));
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    };
    await add('', { dependencies: { one: '1', 'cmake-js': '1' }, devDependencies: { dev: '1' } });
    await add('node_modules/one', {
      version: '1.0.0',
      dependencies: { two: '2' },
      optionalDependencies: { other: '1' },
    });
    await add('node_modules/one/node_modules/two', { version: '2.0.0' });
    await add('node_modules/two', { version: '1.0.0' });
    await add('node_modules/cmake-js', { version: '1.0.0', dependencies: { tar: '1' } });
    await add('node_modules/tar', { version: '1.0.0' });
    await add('node_modules/dev', { version: '1.0.0' });
    await assert.rejects(async () => neededModules(root), /node-api-headers is not installed/);
    await add('node_modules/node-api-headers', { version: '1.9.0' });
    const found = neededModules(root).map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(found.sort(), ['node-api-headers 1.9.0', 'one 1.0.0', 'two 2.0.0']);
  });
});
