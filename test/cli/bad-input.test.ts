import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fixtures, temporaryDirectory } from '../support/paths.js';
import { inProcess } from './support/command.js';
import { writeFolders, writeImage } from './support/images.js';

interface Case {
  readonly folders: Readonly<Record<string, number>>;
  /** Makes something wrong in the data. */
  readonly spoil?: (data: string) => Promise<void>;
  readonly args?: (folder: string) => readonly string[];
  readonly code: string;
  readonly message: RegExp;
}

const good = { 'train/ants': 2, 'train/bees': 2, 'val/ants': 1, 'val/bees': 1 };

const cases: Readonly<Record<string, Case>> = {
  'a folder without class folders': { folders: {}, code: 'ERR_DATASET', message: /data holds no class folders/ },
  'images without a class': {
    folders: {},
    spoil: (data) => writeImage(join(data, 'loose.jpg'), 0, 0),
    code: 'ERR_DATASET',
    message: /data holds no class folders, but 1 image/,
  },
  'one class only': { folders: { ants: 3 }, code: 'ERR_DATASET', message: /one class only, ants/ },
  'an empty class folder': {
    folders: good,
    spoil: async (data) => void (await mkdir(join(data, 'train/wasps'))),
    code: 'ERR_DATASET',
    message: /wasps holds no images/,
  },
  'a class in val that train lacks': {
    folders: { ...good, 'val/wasps': 1 },
    code: 'ERR_DATASET',
    message: /val holds a class that .*train lacks: wasps/,
  },
  'a file that is no image': {
    folders: good,
    spoil: (data) => writeFile(join(data, 'train/ants/text.jpg'), 'not an image'),
    code: 'ERR_IMAGE_DECODE',
    message: /train\/ants\/text\.jpg.*--skip-corrupt/,
  },
  'a file of no bytes': {
    folders: good,
    spoil: (data) => writeFile(join(data, 'val/bees/empty.png'), ''),
    code: 'ERR_IMAGE_DECODE',
    message: /val\/bees\/empty\.png/,
  },
  'a truncated JPEG': {
    folders: good,
    spoil: async (data) => {
      const path = join(data, 'train/bees/half.jpg');
      await writeImage(path, 1, 1, 200);
      const bytes = await readFile(path);
      await writeFile(path, bytes.subarray(0, bytes.length / 2));
    },
    code: 'ERR_IMAGE_DECODE',
    message: /train\/bees\/half\.jpg/,
  },
  'weights that are not there': {
    folders: good,
    args: (folder) => ['--weights', join(folder, 'none.pth')],
    code: 'ERR_FILE',
    message: /none\.pth/,
  },
  'truncated weights': {
    folders: good,
    spoil: (data) => writeFile(join(data, '../cut.safetensors'), Buffer.from([200, 0, 0, 0, 0, 0, 0, 0, 123, 34])),
    args: (folder) => ['--weights', join(folder, 'cut.safetensors')],
    code: 'ERR_WEIGHTS_FORMAT',
    message: /cut\.safetensors/,
  },
  'weights that are a web page': {
    folders: good,
    spoil: (data) => writeFile(join(data, '../page.pth'), '<!DOCTYPE html><html><body>Sign in</body></html>'),
    args: (folder) => ['--weights', join(folder, 'page.pth')],
    code: 'ERR_WEIGHTS_FORMAT',
    message: /page\.pth/,
  },
  'weights that would run a program': {
    folders: good,
    args: () => ['--weights', join(fixtures, 'weights/system.pth')],
    code: 'ERR_WEIGHTS_FORMAT',
    message: /system/,
  },
  'a unit that is not there': {
    folders: good,
    args: () => ['--freeze-until', 'layer5', '--weights', 'none'],
    code: 'ERR_INVALID_ARGUMENT',
    message: /layer5/,
  },
};

async function trainOn(t: TestContext, { folders, spoil, args }: Case) {
  const folder = await temporaryDirectory(t);
  const data = join(folder, 'data');
  await mkdir(data);
  await writeFolders(data, folders);
  await spoil?.(data);
  const out = join(folder, 'run');
  const options = args?.(folder) ?? ['--weights', 'none'];
  const result = await inProcess(t, ['train', data, '--out', out, '--image-size', '32', '--epochs', '1', ...options]);
  return { ...result, made: existsSync(out) };
}

describe('bad input ends train with its code, a message, and no run directory', () => {
  for (const [what, bad] of Object.entries(cases)) {
    it(what, async (t) => {
      const { code, stderr, made } = await trainOn(t, bad);
      assert.match(stderr, new RegExp(`${bad.message.source}`, 's'));
      assert.match(stderr, new RegExp(`\\(${bad.code}\\)`));
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
      assert.equal(code, bad.code === 'ERR_INVALID_ARGUMENT' ? 2 : 1);
      assert.equal(made, false, 'a run directory was left');
    });
  }
});
