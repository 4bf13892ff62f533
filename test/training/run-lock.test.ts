import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { temporaryName } from '../../src/files.js';
import { native } from '../../src/native/load.js';
import { RunDirectory } from '../../src/training/run-directory.js';
import { RunLock } from '../../src/training/run-lock.js';
import { notesOf } from '../../src/training/run-notes.js';
import { train } from '../../src/training/train.js';
import { smallFileSystem } from '../support/file-systems.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { readEvents, tinyData, tinyModel, tinyOptions } from './support/tiny.js';

const begin = { resume: false, overwrite: false };

/** A process that has the lock of a file, until it is killed. */
async function holder(path: string) {
  const module = pathToFileURL(join(projectRoot, 'dist/src/training/run-lock.js')).href;
  const program = `
    const { RunLock } = await import(${JSON.stringify(module)});
    globalThis.lock = await RunLock.take(${JSON.stringify(path)});
    process.stdout.write('held');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    pid: child.pid,
    kill: async () => {
      if (child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('the lock of a run directory', () => {
  it('is held by one process, is named by whoever is refused, and ends with its process', async (t) => {
    const path = join(await temporaryDirectory(t), 'run.lock');
    const other = await holder(path);
    t.after(() => other.kill());
    await assert.rejects(RunLock.take(path), {
      code: 'ERR_BUSY',
      message: new RegExp(`Another run writes to .*: process ${other.pid} on ${hostname()}, which began at \\d{4}-`),
    });
    await other.kill();
    assert.match(await readFile(path, 'utf8'), new RegExp(`"pid":${other.pid}`), 'what a killed process leaves behind');
    const lock = await RunLock.take(path);
    assert.equal(lock.holds, true);
    await lock.release();
  });

  it('is free though a file says that a process of the same id has it, as in a container that was killed', async (t) => {
    const path = join(await temporaryDirectory(t), 'run.lock');
    await writeFile(path, JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() }));
    const lock = await RunLock.take(path);
    await assert.rejects(RunLock.take(path), { code: 'ERR_BUSY' });
    await lock.release();
    await lock.release();
    await (await RunLock.take(path)).release();
  });

  it('is named by who has it, though that has not written it yet', async (t) => {
    const path = join(await temporaryDirectory(t), 'run.lock');
    const own = await RunLock.take(path);
    const written = await readFile(path, 'utf8');
    await writeFile(path, '');
    const refused = assert.rejects(RunLock.take(path), { message: new RegExp(`process ${process.pid} on`) });
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile(path, written);
    await refused;
    await writeFile(path, '');
    await assert.rejects(RunLock.take(path), { message: /: another process\. Wait/ });
    await own.release();
  });

  it('is not taken of a file that its holder removes meanwhile', async (t) => {
    const path = join(await temporaryDirectory(t), 'run.lock');
    const addon = native();
    const tryLock = addon.tryLock.bind(addon);
    let tried = 0;
    t.mock.method(addon, 'tryLock', (descriptor: number) => {
      if (tried++ === 0) rmSync(path);
      return tryLock(descriptor);
    });
    const lock = await RunLock.take(path);
    await assert.rejects(RunLock.take(path), { code: 'ERR_BUSY' });
    await lock.release();
  });

  it('goes without where the file system has no locks, and says so', async (t) => {
    const path = await temporaryDirectory(t);
    t.mock.method(native(), 'tryLock', () => 'unsupported');
    const directory = new RunDirectory(path);
    assert.equal(directory.isLocked, null);
    await directory.claim(begin);
    assert.equal(directory.isLocked, false);
    assert.deepEqual(
      notesOf({ notes: [] }, { notes: [] }, directory).map(({ code }) => code),
      ['run-directory-not-locked'],
    );
    await directory.close();
    assert.deepEqual(await readdir(path), []);
  });
});

describe('a run directory', () => {
  it('takes one run at a time, to begin, to replace and to continue', async (t) => {
    const path = join(await temporaryDirectory(t), 'runs', 'one');
    const first = new RunDirectory(path);
    await first.claim(begin);
    await first.claim(begin);
    const second = new RunDirectory(path);
    await assert.rejects(second.claim(begin), { code: 'ERR_BUSY' });
    await first.create({});
    await assert.rejects(second.claim({ resume: false, overwrite: true }), { code: 'ERR_BUSY' });
    await assert.rejects(second.claim({ resume: true, overwrite: false }), { code: 'ERR_BUSY' });
    await assert.rejects(second.claim(begin), { code: 'ERR_OUTPUT_EXISTS' });
    await first.close();
    await second.claim({ resume: true, overwrite: false });
    await second.close();
    assert.deepEqual((await readdir(path)).sort(), ['checkpoints', 'config.json', 'events.jsonl']);
  });

  it('is not there before a run has begun in it, nor made by asking to continue', async (t) => {
    const folder = await temporaryDirectory(t);
    const directory = new RunDirectory(join(folder, 'runs', 'one'));
    await directory.claim(begin);
    assert.deepEqual(await readdir(folder), ['runs']);
    await directory.close();
    assert.deepEqual(await readdir(folder), []);
    await assert.rejects(directory.claim({ resume: true, overwrite: false }), { code: 'ERR_CHECKPOINT' });
    assert.deepEqual(await readdir(folder), []);
  });

  it('is free where a process was killed before it wrote more than its lock, and cleared of what it left half written', async (t) => {
    const path = await temporaryDirectory(t);
    const checkpoints = join(path, 'checkpoints');
    await writeFile(join(path, 'run.lock'), '{"pid":1}');
    await new RunDirectory(path).check(false);
    await mkdir(checkpoints);
    await writeFile(temporaryName(join(checkpoints, 'next.state')), '');
    await writeFile(temporaryName(join(path, 'best.safetensors')), '');
    // What another program writes is none of the run's.
    const other = temporaryName(join(path, 'model.onnx'));
    await writeFile(other, '');
    const directory = new RunDirectory(path);
    await directory.claim({ resume: false, overwrite: true });
    assert.deepEqual(await readdir(checkpoints), []);
    await directory.close();
    assert.deepEqual((await readdir(path)).sort(), [basename(other), 'checkpoints']);
  });

  it('is tried before anything else: a read-only or a full file system is named', async (t) => {
    const readOnly = await smallFileSystem(t, 'ro');
    if (readOnly === null) return;
    await assert.rejects(new RunDirectory(join(readOnly, 'run')).claim(begin), {
      code: 'ERR_FILE',
      message: /read-only/,
    });
    const full = (await smallFileSystem(t, 16_384)) ?? '';
    await writeFile(join(full, 'filler'), Buffer.alloc(65_536)).catch(() => undefined);
    await assert.rejects(new RunDirectory(join(full, 'run')).claim(begin), {
      code: 'ERR_FILE',
      message: /Cannot write .*: no space left on the device/,
    });
    assert.deepEqual(await readdir(full), ['filler']);
  });
});

describe('two runs in one directory', () => {
  it('do not meet: the second is refused, and the first goes on undisturbed', async (t) => {
    const data = await tinyData(t);
    using one = await tinyModel();
    using other = await tinyModel();
    const out = join(await temporaryDirectory(t), 'run');
    const first = train(one, data, { ...tinyOptions, freeze: 'backbone', out });
    const reader = first[Symbol.asyncIterator]();
    await reader.next();
    const busy = { code: 'ERR_BUSY', message: /Another run writes to/ };
    await assert.rejects(train(other, data, { ...tinyOptions, out, overwrite: true }).result, busy);
    await assert.rejects(train(other, data, { out, resume: true }).result, busy);
    await first.result;
    const events = await readEvents(out);
    assert.equal(events.filter(({ type }) => type === 'start').length, 1);
    assert.equal(events.at(-1)?.type, 'result');
  });
});
