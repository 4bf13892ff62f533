import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { runGuide } from './support/guide.js';
import { CLASSES, placeWithImages } from './support/place.js';

/** What stands for an object store: the files of `data/bees/train`. */
const bucket = `
import { readdir, readFile } from 'node:fs/promises';
const bucket = {
  async *objects() {
    for (const species of ['ant', 'bee'])
      for (const name of await readdir('data/bees/train/' + species))
        yield { key: species + ' ' + name, tags: { species }, body: await readFile('data/bees/train/' + species + '/' + name) };
  },
};`;

it('the guide to training in a service does what it says', async (t) => {
  const folder = await placeWithImages(t);
  const lines = await runGuide(t, 'train-in-a-service', {
    folder,
    before: bucket,
    instead: {
      "'imagenet-v2'": "'none'",
      'imageSize: 224': 'imageSize: 32, batchSize: 4',
      'epochs: 10': 'epochs: 2',
      'signal: controller.signal': "signal: controller.signal, onEpoch: () => void process.emit('SIGTERM')",
    },
    after: 'console.log(JSON.stringify({ status, classes: data.classes, best, label: predictions[0] }));',
  });
  assert.match(lines[0] ?? '', /ant.*bee/);
  const { status, classes, best, label } = JSON.parse(lines.at(-1) ?? '');
  assert.deepEqual(classes, CLASSES);
  assert.match(status.state, /^epoch \d was the best$/);
  assert.ok(status.epoch >= 1 && status.step >= 2, 'the run went on where it was stopped');
  assert.equal(best.top1, Math.max(best.top1, status.top1));
  assert.ok(CLASSES.includes(label.label));
  assert.ok(existsSync(join(folder, 'runs', 'bees', 'best.safetensors')));
});
