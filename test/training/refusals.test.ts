import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { refuseOutputInside } from '../../src/data/output-place.js';
import { train } from '../../src/training/train.js';
import { resnetTorch } from '../cli/support/command.js';
import { writeFolders } from '../data/fixtures.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyModel } from './support/tiny.js';

test('batches of one value a channel are refused before training, where BatchNorm trains', async (t) => {
  const data = await tinyData(t, { train: 1, val: 1 });
  using model = await tinyModel();
  const one = { batchSize: 1, imageSize: 32, epochs: 1 };
  const refused = fails('ERR_INVALID_ARGUMENT', /Expected more than 1 value per channel when training/);
  const out = join(await temporaryDirectory(t), 'run');
  await assert.rejects(train(model, data, { ...one, strategy: 'full', out }).result, refused);
  assert.equal(existsSync(out), false);
  // Larger images, larger batches, and BatchNorm that does not train have enough.
  for (const options of [{ imageSize: 33 }, { batchSize: 2 }, { batchNorm: 'eval' as const }]) {
    const { epochs } = await train(model, data, { ...one, strategy: 'full', ...options }).result;
    assert.equal(epochs, 1);
  }
  const { epochs } = await train(model, data, { ...one, strategy: 'feature-extraction' }).result;
  assert.equal(epochs, 1);
});

test('an output in the data is refused, however it is named', async (t) => {
  const root = await temporaryDirectory(t);
  const data = join(root, 'data');
  await writeFolders(data, { a: 2, b: 2 });
  await mkdir(join(root, 'data-runs'));
  await symlink(data, join(root, 'link'), 'dir');
  const refused = fails('ERR_INVALID_ARGUMENT', /lies in the data.*--out \(out\)/);
  for (const out of ['data', 'data/runs/1', 'data/a', 'link/runs', 'data/../data/..x/1']) {
    await assert.rejects(refuseOutputInside(data, join(root, out)), refused, out);
    await assert.rejects(refuseOutputInside(join(root, 'link'), join(root, out)), refused, out);
  }
  for (const out of ['runs/1', 'data-runs/1', 'data/../runs', '..runs'])
    await refuseOutputInside(data, join(root, out));
});

test('train refuses an output in the data, in code and as its default', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'class 0': 2, 'class 1': 2, 'class 2': 2 });
  using data = await openDataset(root);
  using model = await tinyModel();
  const refused = fails('ERR_INVALID_ARGUMENT', /lies in the data/);
  await assert.rejects(train(model, data, { out: join(root, 'runs') }).result, refused);
  const told = await resnetTorch(['train', '.', '--weights', 'none'], { cwd: root });
  assert.equal(told.code, 2);
  assert.match(told.stderr, /runs.*lies in the data, \..*--out/);
  assert.equal(existsSync(join(root, 'runs')), false);
});

test('the classes are named when training begins', async (t) => {
  const folder = await temporaryDirectory(t);
  const root = await writeFolders(join(folder, 'data'), {
    'Train/ants': 2,
    'Train/bees': 2,
    'Val/ants': 1,
    'Val/bees': 1,
  });
  const flags = [
    '--weights',
    'none',
    '--strategy',
    'feature-extraction',
    '--epochs',
    '1',
    '--image-size',
    '32',
    '--threads',
    '1',
  ];
  const told = await resnetTorch(['train', root, '--out', join(folder, 'run'), ...flags]);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /2 classes \(ants, bees\), 4 images to train on, 2 to validate/);
  // A run that lies in the data from earlier on is passed over.
  await rename(join(folder, 'run'), join(root, 'Train', 'run'));
  using data = await openDataset(root);
  assert.deepEqual(data.classes, ['ants', 'bees']);
});
