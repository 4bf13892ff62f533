import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ResnetTorchError } from '../src/errors.js';
import { fileError, temporaryName, writeFileAtomic } from '../src/files.js';
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

test('a write that fails leaves the old content', {
  skip: process.getuid?.() === 0 && 'root may write anywhere',
}, async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'file');
  await writeFile(path, 'old');
  await chmod(directory, 0o500);
  await assert.rejects(writeFileAtomic(path, 'new'), { code: 'ERR_FILE' });
  await chmod(directory, 0o700);
  assert.equal(await readFile(path, 'utf8'), 'old');
});

test('temporary names are short enough, distinct and beside the file', () => {
  const path = join('folder', '長'.repeat(80));
  const names = new Set(Array.from({ length: 20 }, () => temporaryName(path)));
  assert.equal(names.size, 20);
  for (const name of names) {
    assert.ok(name.startsWith(join('folder', '.')));
    assert.ok(Buffer.byteLength(name) < 255);
  }
});

test('fileError passes on errors of the package and explains others', () => {
  const own = new ResnetTorchError('ERR_DATASET', 'x');
  assert.equal(fileError('read', 'p', own), own);
  const system = Object.assign(new Error('ENOSPC: …'), { code: 'ENOSPC' });
  assert.equal(fileError('write', 'p', system).message, 'Cannot write p: no space left on the device.');
  assert.equal(fileError('write', 'p', new Error('odd')).message, 'Cannot write p: odd.');
});
