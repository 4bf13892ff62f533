import assert from 'node:assert/strict';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { collectDataset } from '../../src/data/collect.js';
import { openDataset } from '../../src/data/dataset.js';
import { openLoader } from '../../src/data/loader.js';
import { centerCrop } from '../../src/data/transforms/spec.js';
import { native } from '../../src/native/load.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { middle, writeColour, writeFolders } from './fixtures.js';

const COLOURS = ['#c80000', '#00c800', '#0000c8', '#c8c800'];
const isColour = (pixel: readonly number[], colour: string) =>
  pixel.every((value, i) => Math.abs(value - Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16)) < 8);

test('what is left of images from an iterable is what it was, in every split', async (t) => {
  const root = await temporaryDirectory(t);
  const images = await Promise.all(
    COLOURS.map(async (colour, i) => readFile(await writeColour(join(root, `${i}.png`), colour))),
  );
  const broken = { image: Buffer.from('no image'), label: 'a', split: 'train' as const };
  const items = images.flatMap((image, i) => [
    { ...broken, name: `broken ${i}` },
    {
      image,
      label: i % 2 === 0 ? 'b' : 'a',
      split: i < 2 ? ('train' as const) : ('val' as const),
      name: COLOURS[i] ?? '',
    },
  ]);
  using data = await collectDataset(items, { skipCorrupt: true });
  assert.deepEqual(
    [data.splits.train.counts, data.splits.val.counts],
    [
      [1, 1],
      [1, 1],
    ],
  );
  assert.equal(data.imageSizes('train').length, 6);
  for (const split of ['train', 'val', 'all'] as const) {
    const { files } = data.split(split);
    for await (const batch of data.batches({ split, imageSize: 32, shuffle: false })) {
      assert.deepEqual(
        [...batch.labels],
        files.map(({ label }) => label),
      );
      const bytes = 32 * 32 * 3;
      files.forEach(({ path }, i) => {
        const view = batch.images.subarray(i * bytes, (i + 1) * bytes);
        assert.ok(isColour(middle(view), path), `${path}: ${middle(view)}`);
      });
    }
  }
});

test('the sizes of images are those of the files that are left', async (t) => {
  const root = await temporaryDirectory(t);
  for (const folder of ['a', 'b']) {
    for (let i = 0; i < 3; i++) await writeColour(join(root, folder, `${i}.png`), '#123456', 40 + i, 50 + i);
  }
  await truncate(join(root, 'a', '1.png'), 0);
  using data = await openDataset(root, { valSplit: 0, skipCorrupt: true });
  assert.deepEqual([...data.imageSizes('train')], [40, 50, 0, 42, 52, 0, 40, 50, 0, 41, 51, 0, 42, 52, 0]);
});

test('a list grows until it is used', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 3 });
  const path = (i: number) => join(root, 'a', `${i}.jpg`);
  const list = new (native().FileList)([path(0)], Int32Array.of(4));
  list.append([path(1), path(2)], Int32Array.of(5, 6));
  const other = new (native().FileList)([], new Int32Array());
  other.appendFrom(list, Int32Array.of(2, 0), Int32Array.of(7, 8));
  assert.deepEqual([list.length, other.length], [3, 2]);
  assert.throws(
    () => other.appendFrom(list, Int32Array.of(3), Int32Array.of(0)),
    fails('ERR_INVALID_ARGUMENT', /positions/),
  );
  assert.throws(
    () => other.appendFrom(list, Int32Array.of(-1), Int32Array.of(0)),
    fails('ERR_INVALID_ARGUMENT', /positions/),
  );
  assert.throws(() => list.append([path(0)], Int32Array.of(1, 2)), fails('ERR_INVALID_ARGUMENT', /labels/));
  const spool = {
    fd: 0,
    offsets: new Float64Array(1),
    lengths: new Float64Array(1),
    shapes: new Int32Array(3),
    digests: new Uint8Array(16),
  };
  assert.throws(() => list.append(['x'], Int32Array.of(1), spool), fails('ERR_INVALID_ARGUMENT', /spool/));
  const loader = openLoader({
    files: other,
    crop: centerCrop(32, 32),
    batchSize: 4,
    epoch: 0,
    seed: 0,
    training: false,
  });
  assert.throws(() => other.append([path(0)], Int32Array.of(0)), fails('ERR_BUSY', /in use/));
  assert.deepEqual([...((await loader.next('uint8'))?.labels ?? [])], [7, 8]);
  loader.dispose();
  for (const one of [list, other]) {
    one.dispose();
    assert.throws(() => one.append([path(0)], Int32Array.of(0)), fails('ERR_DISPOSED', /disposed/));
  }
});

test('a pass ends with its data set unless it is under way', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 3, b: 3 });
  const data = await openDataset(root, { valSplit: 0 });
  const options = { imageSize: 32, batchSize: 2 };
  const underWay = data.batches(options);
  assert.equal((await underWay.next()).done, false);
  const [late, waiting] = [data.batches(options), data.batches({ ...options, split: 'all' })];
  const asked = waiting.next();
  data.dispose();
  await assert.rejects(late.next(), fails('ERR_DISPOSED', /disposed/));
  await assert.rejects(asked, fails('ERR_DISPOSED', /disposed/));
  assert.throws(() => data.batches(options), fails('ERR_DISPOSED', /disposed/));
  let rest = 0;
  for await (const { labels } of underWay) rest += labels.length;
  assert.equal(rest, 4);
});
