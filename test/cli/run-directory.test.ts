import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { smallFileSystem } from '../support/file-systems.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { readEvents, tinyFolder } from '../training/support/tiny.js';
import { inProcess } from './support/command.js';

const small = ['--image-size', '32', '--batch-size', '4', '--workers', '1', '--threads', '1', '--precision', 'fp32'];
const options = ['--weights', 'none', '--strategy', 'full', '--epochs', '1000', ...small];

/** A run in a process of its own, once it has made a step. */
async function running(t: TestContext, data: string, out: string) {
  const script = join(projectRoot, 'bin/resnet-torch.js');
  const args = [script, 'train', data, '--out', out, '--json', ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('"type":"step"')) resolve();
    });
    child.once('exit', () => reject(new Error(`The run ended:\n${said}`)));
  });
  return {
    pid: child.pid,
    end: async (signal: NodeJS.Signals) => {
      child.kill(signal);
      return exit;
    },
  };
}

describe('a run directory that another process writes to', () => {
  it('is refused to a second run, to begin, to replace and to continue, by the name of the first', async (t) => {
    const data = await tinyFolder(t);
    const out = join(await temporaryDirectory(t), 'run');
    const first = await running(t, data, out);
    for (const how of [['--resume'], ['--overwrite', ...options]]) {
      const { code, stderr } = await inProcess(t, ['train', data, '--out', out, ...how]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`Another run writes to .*: process ${first.pid} on .*\\(ERR_BUSY\\)`));
    }
    await first.end('SIGTERM');
    const events = await readEvents(out);
    assert.equal(events.filter(({ type }) => type === 'start').length, 1);
    assert.equal(events.at(-1)?.type, 'aborted');
    assert.ok(!existsSync(join(out, 'run.lock')));
  });
});

describe('a run that was killed before its first checkpoint', () => {
  it('is not continued, and what to do is said before data and weights are read', async (t) => {
    const data = await tinyFolder(t);
    const out = join(await temporaryDirectory(t), 'run');
    const [code, signal] = await (await running(t, data, out)).end('SIGKILL');
    assert.deepEqual([code, signal], [null, 'SIGKILL']);
    const none = join(data, 'none');
    const resumed = await inProcess(t, ['train', none, '--out', out, '--resume']);
    assert.equal(resumed.code, 1);
    assert.match(
      resumed.stderr,
      /ended before its first checkpoint was written, so there is nothing to continue from\. .*--overwrite.*instead of --resume\. \(ERR_CHECKPOINT\)/s,
    );
    await writeFile(join(out, 'best.safetensors'), '');
    const withBest = await inProcess(t, ['train', none, '--out', out, '--resume']);
    assert.match(withBest.stderr, /best epoch are in .*best\.safetensors.*--weights/);
    // The killed process holds nothing.
    const again = await inProcess(t, [
      ...['train', data, '--out', out, '--overwrite', '--weights', 'none', '--strategy', 'feature-extraction'],
      ...['--epochs', '1', ...small],
    ]);
    assert.equal(again.code, 0, again.stderr);
  });
});

describe('an output that cannot be written', () => {
  const none = '/there/is/no/data';

  it('is named before data and weights are read: a read-only file system', async (t) => {
    const place = await smallFileSystem(t, 'ro');
    if (place === null) return;
    const { code, stderr } = await inProcess(t, ['train', none, '--out', join(place, 'runs', 'one')]);
    assert.equal(code, 1);
    assert.match(stderr, /Cannot make the directory .*runs\/one: the file system is read-only\. \(ERR_FILE\)/);
  });

  it('is named before data and weights are read: a full file system, which is left as it was', async (t) => {
    const place = await smallFileSystem(t, 16_384);
    if (place === null) return;
    await writeFile(join(place, 'filler'), Buffer.alloc(65_536)).catch(() => undefined);
    const { code, stderr } = await inProcess(t, ['train', none, '--out', join(place, 'run')]);
    assert.equal(code, 1);
    assert.match(stderr, /Cannot write .*run\.lock: no space left on the device\. \(ERR_FILE\)/);
    assert.deepEqual(await readdir(place), ['filler']);
  });

  it('is named before data and weights are read: no permission', {
    skip: process.getuid?.() === 0 && 'root may write anywhere',
  }, async (t) => {
    const place = join(await temporaryDirectory(t), 'closed');
    await mkdir(place, { mode: 0o500 });
    const { stderr } = await inProcess(t, ['train', none, '--out', join(place, 'run')]);
    assert.match(stderr, /Cannot make the directory .*: permission denied\. \(ERR_FILE\)/);
  });

  it('is named before data and weights are read: a file in the way', async (t) => {
    const file = join(await temporaryDirectory(t), 'file');
    await writeFile(file, '');
    const { stderr } = await inProcess(t, ['train', none, '--out', join(file, 'run')]);
    assert.match(stderr, /\(ERR_OUTPUT_EXISTS|a part of the path is not a directory/);
  });
});
