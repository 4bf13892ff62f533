import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { exportModel } from '../../src/export/export.js';
import { stateDictFile } from '../../src/export/torch/state-dict.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { openWeights } from '../../src/model/weights/index.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { differences, weightsOf } from '../training/support/tiny.js';
import { busyModel } from './support/models.js';

describe('export as a state dict', () => {
  it('comes back bit for bit through our own reader', async (t) => {
    const model = await busyModel(t, [24]);
    await model.handle.write('bn1.num_batches_tracked', Float32Array.of(1234));
    const out = join(await temporaryDirectory(t), 'model.pth');
    const seen: number[] = [];
    const result = await exportModel(model, {
      format: 'torchvision',
      out,
      onProgress: (bytes, total) => seen.push(bytes / total),
    });
    assert.deepEqual(result, { format: 'torchvision', path: out, bytes: (await readFile(out)).length, notes: [] });
    assert.equal(seen.at(-1), 1);
    using again = await ResNet50.load(out, { device: 'cpu' });
    assert.deepEqual(again.head.hidden, [24]);
    assert.deepEqual(again.notes, []);
    assert.deepEqual(differences(await weightsOf(again), await weightsOf(model)), []);
  });

  it('lies in the archive as torch.save lays it out', async (t) => {
    const model = await busyModel(t);
    const out = join(await temporaryDirectory(t), 'model.pth');
    await exportModel(model, { format: 'torchvision', out });
    const table = await openWeights(out);
    assert.equal(table.format, 'torch');
    assert.deepEqual(
      [...table.tensors.keys()],
      model.handle.tensors().map(({ name }) => name),
      'in the order of state_dict()',
    );
    for (const { name, dtype, offset } of table.tensors.values()) {
      assert.equal(dtype, name.endsWith('num_batches_tracked') ? 'I64' : 'F32', name);
      assert.equal(offset % 64, 0, name);
    }
    const file = await readFile(out);
    const { offset, length } = table.tensors.get('layer4.2.conv3.weight') ?? assert.fail('missing');
    const hash = crc32(file.subarray(offset, offset + length));
    const header = file.lastIndexOf(Buffer.from([0x50, 0x4b, 3, 4]), offset);
    assert.equal(file.readUInt32LE(header + 14), hash, 'the hash of the record');
    const first = file.subarray(30, 30 + file.readUInt16LE(26)).toString();
    assert.equal(first, 'archive/data.pkl', 'readers take the name of the archive from the first entry');
    assert.equal(file.includes('archive/byteorder'), true);
    assert.equal(file.includes('archive/version'), true);
  });

  it('says before anything is written that a file would be too large', () => {
    const tensors = [{ name: 'fc.weight', shape: [600_000, 2048] }];
    assert.throws(() => stateDictFile(tensors), fails('ERR_INVALID_ARGUMENT', /less than 4 GiB.*safetensors/));
  });
});
