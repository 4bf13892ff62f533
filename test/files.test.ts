import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { ResnetTorchError } from '../src/errors.js';
import { fileError, makeDirectory, sweepTemporaries, temporaryName, writeFileAtomic } from '../src/files.js';
import { smallFileSystem } from './support/file-systems.js';
import { temporaryDirectory } from './support/paths.js';

test('writeFileAtomic writes text and bytes and leaves nothing else behind', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'résumé of a run.json');
  await writeFileAtomic(path, 'first');
  await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...(await readFile(path))], [1, 2, 3]);
  assert.deepEqual(await readdir(directory), ['résumé of a run.json']);
});

test('writers of one file at the same time leave one whole content', async (t) => {
  const path = join(await temporaryDirectory(t), 'file');
  const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(50_000));
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
  assert.ok(contents.includes(await readFile(path, 'utf8')));
});

test('a failed write names the path and the reason, and removes its temporary file', async (t) => {
  const directory = await temporaryDirectory(t);
  const missing = join(directory, 'missing', 'file');
  await assert.rejects(writeFileAtomic(missing, ''), {
    name: 'ResnetTorchError',
    code: 'ERR_FILE',
    message: `Cannot write ${missing}: no such file or directory.`,
  });
  const occupied = join(directory, 'occupied');
  await mkdir(occupied);
  await writeFile(join(occupied, 'content'), '');
  await assert.rejects(writeFileAtomic(occupied, ''), { code: 'ERR_FILE' });
  assert.deepEqual(await readdir(directory), ['occupied']);
});

test('a write that fails half way leaves the old content, and nothing beside it', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'file');
  await writeFile(path, 'old');
  async function* broken() {
    yield Buffer.from('new');
    throw new ResnetTorchError('ERR_NON_FINITE', 'A value is not finite.');
  }
  await assert.rejects(writeFileAtomic(path, broken()), { code: 'ERR_NON_FINITE' });
  assert.equal(await readFile(path, 'utf8'), 'old');
  assert.deepEqual(await readdir(directory), ['file']);
});

test('temporary names are short enough, distinct, beside the file, and hold no process id', () => {
  const path = join('folder', '長'.repeat(80));
  const names = new Set(Array.from({ length: 20 }, () => temporaryName(path)));
  assert.equal(names.size, 20);
  for (const name of names) {
    assert.ok(name.startsWith(join('folder', '.')));
    assert.ok(Buffer.byteLength(name) < 255);
  }
  assert.match(basename(temporaryName(join('folder', 'run.json'))), /^\.run\.json\.[0-9a-f]{16}\.tmp$/);
});

test('temporary files of killed writers go after an hour; all others stay', async (t) => {
  const directory = await temporaryDirectory(t);
  const old = new Date(Date.now() - 2 * 3_600_000);
  const make = async (name: string, when?: Date) => {
    await writeFile(join(directory, name), '');
    if (when !== undefined) await utimes(join(directory, name), when, when);
  };
  const abandoned = basename(temporaryName(join(directory, 'best.safetensors')));
  const fresh = basename(temporaryName(join(directory, 'best.safetensors')));
  const others = ['.notes.tmp', 'a.0123456789abcdef.tmp', '.a.0123456789abcdef.part', 'best.safetensors'];
  await make(abandoned, old);
  await make(fresh);
  for (const name of others) await make(name, old);
  await sweepTemporaries(directory);
  assert.deepEqual((await readdir(directory)).sort(), [...others, fresh].sort());
  await sweepTemporaries(directory, { before: Number.POSITIVE_INFINITY, of: ['best'] });
  assert.ok((await readdir(directory)).includes(fresh));
  await sweepTemporaries(directory, { before: Number.POSITIVE_INFINITY, of: ['best.safetensors'] });
  assert.deepEqual((await readdir(directory)).sort(), [...others].sort());
  await sweepTemporaries(join(directory, 'none'));
});

test('makeDirectory makes what is missing and tells of it, the innermost first', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'a', 'b', 'c');
  assert.deepEqual(await makeDirectory(path), [path, join(directory, 'a', 'b'), join(directory, 'a')]);
  assert.deepEqual(await makeDirectory(path), []);
});

test('makeDirectory says why it cannot', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'file'), '');
  const refused = (path: string, symptom: string) =>
    assert.rejects(makeDirectory(path), {
      code: 'ERR_FILE',
      message: `Cannot make the directory ${path}: ${symptom}.`,
    });
  await refused(join(directory, 'file', 'run'), 'a part of the path is not a directory');
  await refused(join(directory, 'file'), 'there is a file of that name');
  // The kernel answers "no such file" here, whatever is missing.
  if (process.platform === 'linux') await refused('/proc/none/run', 'no such file or directory');
});

test('makeDirectory names a read-only file system', async (t) => {
  const place = await smallFileSystem(t, 'ro');
  if (place === null) return;
  await assert.rejects(makeDirectory(join(place, 'runs', 'first')), {
    code: 'ERR_FILE',
    message: `Cannot make the directory ${join(place, 'runs', 'first')}: the file system is read-only.`,
  });
});

test('fileError passes on errors of the package and explains others', () => {
  const own = new ResnetTorchError('ERR_DATASET', 'x');
  assert.equal(fileError('read', 'p', own), own);
  const system = Object.assign(new Error('ENOSPC: …'), { code: 'ENOSPC' });
  assert.equal(fileError('write', 'p', system).message, 'Cannot write p: no space left on the device.');
  assert.equal(fileError('write', 'p', new Error('odd')).message, 'Cannot write p: odd.');
});
