import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { readEvents } from '../training/support/tiny.js';
import { inProcess } from './support/command.js';
import { writeFolders } from './support/images.js';

const script = join(projectRoot, 'bin/resnet-torch.js');
const small = ['--image-size', '32', '--batch-size', '4', '--precision', 'fp32', '--workers', '1', '--threads', '1'];
const quick = ['--strategy', 'feature-extraction', '--head', 'linear', '--weights', 'none', '--cache', 'off', ...small];

/** Runs a command line whose standard output loses its reader: at the first words, or before there are any. */
async function unread(args: readonly string[], when: 'first' | 'before', stream: 'stdout' | 'stderr' = 'stdout') {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const other = stream === 'stdout' ? child.stderr : child.stdout;
  let said = '';
  other.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  if (when === 'before') child[stream].destroy();
  else child[stream].once('data', () => child[stream].destroy());
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, said };
}

/** Runs a command line whose standard output is a device that is full. */
async function onFullDevice(args: readonly string[]) {
  const full = openSync('/dev/full', 'w');
  try {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', full, 'pipe'] });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stderr };
  } finally {
    closeSync(full);
  }
}

describe('a reader that goes away', () => {
  let folder: string;
  let data: string;
  let run: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    data = join(folder, 'data');
    run = join(folder, 'run');
    await writeFolders(data, { 'train/a': 4, 'train/b': 4, 'val/a': 2, 'val/b': 2 });
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('does not end training: the run directory has all of it, and the exit code is that of the run', async () => {
    const { code, said } = await unread(['train', data, '--out', run, '--epochs', '3', '--json', ...quick], 'first');
    assert.equal(code, 0, said);
    const events = await readEvents(run);
    assert.equal(events.filter(({ type }) => type === 'epoch').length, 3);
    assert.equal(events.at(-1)?.type, 'result');
    assert.ok(existsSync(join(run, 'best.safetensors')));
  });

  it('does not hide that training failed', async (t) => {
    const out = join(await temporaryDirectory(t), 'run');
    const args = [
      'train',
      data,
      '--out',
      out,
      '--epochs',
      '2',
      '--json',
      '--optimizer',
      'sgd',
      '--lr',
      '3e38',
      ...quick,
    ];
    const { code, said } = await unread(args, 'first');
    assert.equal(code, 1, said);
    assert.match(said, /ERR_NON_FINITE/);
    assert.doesNotMatch(said, /EPIPE/);
  });

  it('does not end training where it read what is said on the way', async (t) => {
    const out = join(await temporaryDirectory(t), 'run');
    const { code } = await unread(['train', data, '--out', out, '--epochs', '2', ...quick], 'before', 'stderr');
    assert.equal(code, 0);
    assert.equal((await readEvents(out)).at(-1)?.type, 'result');
  });

  const commands: Readonly<Record<string, () => readonly string[]>> = {
    '--help': () => ['--help'],
    'train --help': () => ['train', '--help'],
    '--version': () => ['--version'],
    inspect: () => ['inspect'],
    'inspect --tensors': () => ['inspect', run, '--tensors'],
    'inspect --json': () => ['inspect', run, '--json'],
    'cache list': () => ['cache', 'list'],
    doctor: () => ['doctor'],
    'predict --csv': () => ['predict', run, join(data, 'train'), '--csv', ...small],
    predict: () => ['predict', run, join(data, 'train'), ...small],
    eval: () => ['eval', run, data, ...small],
  };
  for (const [what, args] of Object.entries(commands)) {
    for (const when of ['before', 'first'] as const) {
      it(`ends ${what} quietly, gone ${when === 'before' ? 'at once' : 'after the first words'}`, async () => {
        const { code, said } = await unread(args(), when);
        assert.doesNotMatch(said, /EPIPE|\n\s+at /);
        assert.equal(code, 0, said);
      });
    }
  }

  describe('and a device that is full', { skip: !existsSync('/dev/full') && 'there is no /dev/full here' }, () => {
    it('is a failure of what prints, and says so', async () => {
      for (const args of [['inspect'], ['--help'], ['predict', run, join(data, 'val'), '--csv', ...small]]) {
        const { code, stderr } = await onFullDevice(args);
        assert.equal(code, 1, args.join(' '));
        assert.match(stderr, /Cannot write standard output: no space left on the device\.\n$/);
      }
    });

    it('does not end training, which fails when all is done', async (t) => {
      const out = join(await temporaryDirectory(t), 'run');
      const { code, stderr } = await onFullDevice(['train', data, '--out', out, '--epochs', '2', '--json', ...quick]);
      assert.match(stderr, /Cannot write standard output: no space left/);
      assert.equal(code, 1);
      assert.equal((await readEvents(out)).at(-1)?.type, 'result');
    });
  });

  it('leaves the exit code of a failure that said nothing to it', async (t) => {
    const { code } = await inProcess(t, ['inspect', join(folder, 'none')]);
    assert.equal(code, 1);
  });
});
