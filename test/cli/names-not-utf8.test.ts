import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { argumentsFromBytes } from '../../src/cli/argument-bytes.js';
import { pathBytes } from '../../src/data/path-bytes.js';
import { writeFolders } from '../data/fixtures.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';

const commandLine =
  (...parts: readonly string[]) =>
  () =>
    Buffer.from(`${parts.join('\0')}\0`, 'latin1');

test('arguments are the bytes that the system has', () => {
  const bytes = commandLine('node', 'x.js', 'train', 'fourmi_\xe9', '--out', 'r');
  assert.deepEqual(argumentsFromBytes(['train', 'fourmi_\uFFFD', '--out', 'r'], bytes), [
    'train',
    'fourmi_\udce9',
    '--out',
    'r',
  ]);
  const plain = ['train', 'fourmi_é'];
  assert.equal(argumentsFromBytes(plain, bytes), plain);
  // Not the command line of these arguments, or none at all.
  const other = ['train', 'ant_\uFFFD'];
  assert.equal(argumentsFromBytes(other, bytes), other);
  const none = () => {
    throw new Error('no such file');
  };
  assert.equal(argumentsFromBytes(other, none), other);
});

test('a folder whose name is not UTF-8 is found from a shell, and shown with its byte', {
  skip: process.platform !== 'linux' && 'names are text here',
}, async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'd/train/a': 2, 'd/train/b': 2 });
  await mkdir(join(root, 'd', 'train', 'c'));
  await rename(join(root, 'd', 'train', 'c'), pathBytes(join(root, 'd', 'train', 'c_\udce9')));
  await rename(join(root, 'd'), pathBytes(join(root, 'd_\udce9')));
  const command = `"${process.execPath}" "${join(projectRoot, 'bin/resnet-torch.js')}" train d_$(printf '\\351') --weights none --out r`;
  const shell = spawn('sh', ['-c', command], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  await once(shell, 'close');
  assert.match(told, /The class folder d_\\xE9\/train\/c_\\xE9 holds no images/);
});
