import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { differences, tinyFolder, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

test('a run on a list of images is the run on the folders that they lie in, bit for bit, and is continued', async (t) => {
  const root = await tinyFolder(t);
  using folders = await openDataset(root);
  const rows = (['train', 'val'] as const).flatMap((split) =>
    folders
      .split(split)
      .files.map(({ path, label }) => `"${path.slice(root.length + 1)}",${folders.classes[label]},${split}`),
  );
  const list = join(root, 'labels.csv');
  await writeFile(list, ['path,label,split', ...rows.reverse()].join('\r\n'));
  using listed = await openDataset(list);
  const options = { ...tinyOptions, augment: 'standard' } as const;
  using expected = await tinyModel();
  const { best } = await train(expected, folders, options).result;
  using model = await tinyModel();
  const out = join(await temporaryDirectory(t), 'run');
  const controller = new AbortController();
  const stopped = train(model, listed, { ...options, out, signal: controller.signal });
  stopped.result.catch(() => undefined);
  await assert.rejects(async () => {
    for await (const { type } of stopped) if (type === 'epoch') controller.abort();
  });
  using again = await tinyModel();
  assert.deepEqual((await train(again, listed, { out, resume: true }).result).best, best);
  assert.deepEqual(differences(await weightsOf(again), await weightsOf(expected)), []);
});
