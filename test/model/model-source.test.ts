import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readModelSource } from '../../src/model/model-source.js';
import { temporaryDirectory } from '../support/paths.js';
import { type SafetensorsEntry, writeSafetensors } from '../support/safetensors.js';

function linear(name: string, rows: number, columns: number): SafetensorsEntry {
  return { name, dtype: 'F32', shape: [rows, columns], bytes: new Uint8Array(4 * rows * columns) };
}

const metadata = {
  format: 'resnet-torch',
  classes: JSON.stringify(['ants', 'bees']),
  head: JSON.stringify({ hidden: [], dropout: 0.25 }),
};

describe('readModelSource', () => {
  it("takes a run directory's best checkpoint", async (t) => {
    const run = await temporaryDirectory(t);
    await writeSafetensors(join(run, 'best.safetensors'), [linear('fc.weight', 2, 2048)], metadata);
    const source = await readModelSource(run);
    assert.equal(source.kind, 'run');
    assert.equal(source.path, join(run, 'best.safetensors'));
    assert.deepEqual(source.metadata?.classes, ['ants', 'bees']);
    assert.deepEqual(source.head, { classes: 2, hidden: [], dropout: 0.25 });
  });

  it('tells a checkpoint from other weights', async (t) => {
    const folder = await temporaryDirectory(t);
    const checkpoint = join(folder, 'checkpoint.safetensors');
    const weights = join(folder, 'weights.safetensors');
    await writeSafetensors(checkpoint, [linear('fc.weight', 2, 2048)], metadata);
    await writeSafetensors(weights, [linear('fc.0.weight', 3, 2048), linear('fc.3.weight', 5, 3)]);
    assert.equal((await readModelSource(checkpoint)).kind, 'checkpoint');
    const source = await readModelSource(weights);
    assert.equal(source.kind, 'weights');
    assert.equal(source.metadata, null);
    assert.deepEqual(source.head, { classes: 5, hidden: [3], dropout: 0 });
  });

  it('names what is not there', async (t) => {
    const folder = await temporaryDirectory(t);
    await assert.rejects(readModelSource(join(folder, 'none')), {
      code: 'ERR_CHECKPOINT',
      message: /There is no .*none/,
    });
    await mkdir(join(folder, 'empty'));
    await assert.rejects(readModelSource(join(folder, 'empty')), {
      code: 'ERR_CHECKPOINT',
      message: /empty holds no best\.safetensors/,
    });
  });

  it('refuses weights without a head', async (t) => {
    const path = join(await temporaryDirectory(t), 'backbone.safetensors');
    await writeSafetensors(path, [linear('conv.weight', 1, 1)]);
    await assert.rejects(readModelSource(path), { code: 'ERR_WEIGHTS_FORMAT' });
  });
});
