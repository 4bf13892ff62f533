import assert from 'node:assert/strict';
import { copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { collectDataset } from '../../src/data/collect.js';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { temporaryDirectory } from '../support/paths.js';
import { picture, pictureImage, withComment, writeFolders } from './fixtures.js';

const CODE = 'images-in-both-splits';
const codes = (data: Dataset) => data.notes.map(({ code }) => code);
const PARTS = { 'train/a': 3, 'train/b': 3, 'val/a': 2, 'val/b': 2 };

test('a file that is in train/ and in val/ is told, whatever its name', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), PARTS);
  using clean = await openDataset(root);
  assert.deepEqual(clean.notes, []);
  await copyFile(join(root, 'train', 'a', '1.jpg'), join(root, 'val', 'a', 'another name.jpg'));
  using data = await openDataset(root);
  assert.deepEqual(data.notes, [
    {
      code: CODE,
      message:
        `1 image of the 5 to evaluate on is a training image too, byte for byte (${join('val', 'a', 'another name.jpg')} is ` +
        `${join('train', 'a', '1.jpg')}): what is measured on such images says nothing of others. Take them out of one side.`,
    },
  ]);
  using measured = await openDataset(root, { purpose: 'evaluate' });
  assert.deepEqual(codes(measured), [CODE]);
  for (let i = 0; i < 3; i++)
    await copyFile(join(root, 'train', 'b', `${i}.jpg`), join(root, 'val', 'a', `b ${i}.jpg`));
  using more = await openDataset(root);
  assert.match(
    more.notes[0]?.message ?? '',
    /^4 images of the 8 .* are training images too.*, …\).* 3 with a label there is another/,
  );
});

test('so it is with what is held back, where it is measured on', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 2, b: 2 });
  await copyFile(join(root, 'a', '0.jpg'), join(root, 'a', '1.jpg'));
  const open = async (options: object) => {
    using data = await openDataset(root, options);
    return codes(data);
  };
  assert.deepEqual(await open({ valSplit: 0.5 }), [CODE]);
  assert.deepEqual(await open({ valSplit: 0.5, purpose: 'evaluate' }), [CODE]);
  assert.deepEqual(await open({ valSplit: 0 }), []);
  assert.deepEqual(await open({ purpose: 'evaluate' }), []);
});

test('copies within one part, and different files of one size, are none', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), PARTS);
  await copyFile(join(root, 'train', 'a', '0.jpg'), join(root, 'train', 'a', '2.jpg'));
  const jpeg = await readFile(join(root, 'train', 'b', '0.jpg'));
  const other = Buffer.from(jpeg);
  other.set([0x2b], other.indexOf('train/b'));
  await writeFile(join(root, 'val', 'b', '0.jpg'), other);
  assert.equal((await stat(join(root, 'val', 'b', '0.jpg'))).size, jpeg.length);
  using data = await openDataset(root);
  assert.deepEqual(data.notes, []);
});

test('large files are told apart by what lies in the middle of them', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), PARTS);
  let jpeg: Buffer = await pictureImage(40, 32).jpeg().toBuffer();
  for (let i = 0; i < 12; i++) jpeg = withComment(jpeg, String.fromCharCode(97 + i).repeat(60_000));
  const other = Buffer.from(jpeg);
  other[other.length >> 1] = 0x2b;
  await writeFile(join(root, 'train', 'a', 'large.jpg'), jpeg);
  await writeFile(join(root, 'val', 'a', 'large.jpg'), other);
  using data = await openDataset(root);
  assert.deepEqual(data.notes, []);
  await writeFile(join(root, 'val', 'a', 'large.jpg'), jpeg);
  using same = await openDataset(root);
  assert.deepEqual(codes(same), [CODE]);
  await rm(join(root, 'val', 'a', 'large.jpg'));
});

test('images that do not lie in files are compared as well; pixels by their shape too', async () => {
  const jpeg = await pictureImage(40, 32).jpeg().toBuffer();
  const image = (i: number) => withComment(jpeg, `${i}`);
  const given = (last: Buffer | { data: Uint8Array; width: number; height: number; channels: 3 }, first = last) => [
    { image: first, label: 'a', split: 'train' as const, name: 'first' },
    { image: image(1), label: 'b', split: 'train' as const },
    { image: image(2), label: 'a', split: 'val' as const },
    { image: image(3), label: 'b', split: 'val' as const },
    { image: last, label: 'a', split: 'val' as const, name: 'last' },
  ];
  using data = await collectDataset(given(image(0)));
  assert.deepEqual(codes(data), [CODE]);
  assert.match(data.notes[0]?.message ?? '', /\(last is first\)/);
  const pixels = { data: picture(40, 30), width: 40, height: 30, channels: 3 } as const;
  using raw = await collectDataset(given(pixels));
  assert.deepEqual(codes(raw), [CODE]);
  using turned = await collectDataset(given({ ...pixels, width: 30, height: 40 }, pixels));
  assert.deepEqual(codes(turned), []);
});
