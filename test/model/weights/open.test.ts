import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openWeights } from '../../../src/model/weights/index.js';
import { temporaryDirectory } from '../../support/paths.js';

test('what is not a weights file is refused by what it is', async (t) => {
  const tar = Buffer.alloc(512);
  tar.write('ustar', 257);
  const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ['an empty file', '', /is empty/],
    ['a web page', '<!DOCTYPE html><html><title>404</title>', /web page \(HTML\)/],
    ['a web page with a mark and spaces before', '\ufeff\n  <HTML lang="en">', /web page \(HTML\)/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n', /git lfs pull/],
    ['a tar archive of the first PyTorch versions', tar, /first versions of PyTorch, as a tar archive\. Save it again/],
    ['a plain pickle', Uint8Array.of(0x80, 4, 0x4e, 0x2e), /plain Python pickle/],
    ['a gzip file', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/],
    ['a Keras file', '\x89HDF\r\n\x1a\n', /HDF5/],
    ['a text', 'hello', /not a weights file.*\.safetensors/],
    ['JSON', '{"a":1,"b":{"c":2}}', /not a weights file/],
    ['one byte', 'P', /not a weights file/],
  ];
  for (const [name, content, message] of cases) {
    await t.test(name, async (inner) => {
      const path = join(await temporaryDirectory(inner), 'weights.pth');
      await writeFile(
        path,
        typeof content === 'string' && name === 'a Keras file' ? Buffer.from(content, 'latin1') : content,
      );
      await assert.rejects(openWeights(path), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_WEIGHTS_FORMAT');
        assert.ok(error.message.startsWith(`${path}: `));
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

test('a path that holds no file is an ERR_FILE with the path', async (t) => {
  const directory = await temporaryDirectory(t);
  const missing = join(directory, 'näme with spaces.pth');
  await assert.rejects(openWeights(missing), {
    code: 'ERR_FILE',
    message: `Cannot read the weights ${missing}: no such file or directory.`,
  });
  const folder = join(directory, 'run');
  await mkdir(folder);
  await assert.rejects(openWeights(folder), { code: 'ERR_FILE', message: /is a directory.*best\.safetensors/ });
});

test('a named pipe is refused instead of waited for', { skip: process.platform === 'win32' }, async (t) => {
  const path = join(await temporaryDirectory(t), 'pipe');
  execFileSync('mkfifo', [path]);
  await assert.rejects(openWeights(path), { code: 'ERR_FILE', message: /not a regular file/ });
});
