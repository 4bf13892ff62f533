import assert from 'node:assert/strict';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { runGuide } from './support/guide.js';
import { CLASSES, placeWithImages, writeRun } from './support/place.js';

it('the guide to search by features does what it says', async (t) => {
  const folder = await placeWithImages(t);
  await writeRun(folder);
  await mkdir(join(folder, 'photos'));
  for (const name of CLASSES) {
    for (const i of [0, 1]) {
      await cp(join(folder, 'data', 'bees', 'val', name, `photo ${i}.jpg`), join(folder, 'photos', `${name} ${i}.jpg`));
    }
  }
  const lines = await runGuide(t, 'search-by-features', {
    folder,
    after: 'console.log(JSON.stringify({ shape: collection.shape, files, found, stored: stored.length }));',
  });
  const { shape, files, found, stored } = JSON.parse(lines.at(-1) ?? '');
  assert.deepEqual(shape, [4, 2048]);
  assert.equal(stored, 4 * 2048);
  const names = found.map(({ row }: { row: number }) => files[row]);
  assert.deepEqual(names.slice(0, 2).sort(), [join('photos', 'bee 0.jpg'), join('photos', 'bee 1.jpg')]);
  assert.equal(names[0], join('photos', 'bee 1.jpg'), 'the image itself');
  assert.ok(Math.abs(found[0].likeness - 1) < 1e-3 && found[2].likeness < found[1].likeness);
});
