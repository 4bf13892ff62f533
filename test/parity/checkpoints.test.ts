import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ResNet50 } from '../../src/model/resnet50.js';
import { temporaryDirectory } from '../support/paths.js';
import { relativeError } from './compare.js';
import { Comparison, reference, skip } from './harness.js';
import { imageValues } from './recipe.js';
import { readTensors, writeTensors } from './safetensors.js';

const SHAPE = [2, 3, 64, 64] as const;
const heads = [
  { classes: 9, hidden: [] },
  { classes: 4, hidden: [32] },
];

const FORMS = [
  ...['fp32', 'fp16', 'bf16', 'module'].map((name) => `${name}.safetensors`),
  ...['state', 'state_dict', 'module', 'fp16', 'bf16'].map((name) => `${name}.pth`),
  ...['legacy', 'channels_last', 'objects', 'teacher'].map((name) => `${name}.pth`),
  'lightning.ckpt',
];
/** Where the network is not where torchvision has it, which a note says. */
const ELSEWHERE = new Set(['teacher.pth', 'lightning.ckpt']);

async function logitsOf(model: ResNet50): Promise<ArrayLike<number>> {
  return (await model.forward(Float32Array.from(imageValues(SHAPE, 0)), SHAPE)).data;
}

describe('checkpoints', { skip }, () => {
  it('written by PyTorch load, and ours load there, with the same logits', async (t) => {
    const theirs = new Comparison(
      "PyTorch's files (.safetensors and .pth, float32, float16, bfloat16) read by us: logits",
      1e-5,
    );
    const ours = new Comparison("Our checkpoints read by safetensors into torchvision's ResNet-50: logits", 1e-5);
    for (const head of heads) {
      const folder = await temporaryDirectory(t);
      writeTensors(join(folder, 'images.safetensors'), { images: { shape: SHAPE, values: imageValues(SHAPE, 0) } });
      await reference('checkpoints', folder, { ...head, task: 'write' });
      const expected = readTensors(join(folder, 'expected.safetensors'));
      // Every form with one head; with the other, one of each format.
      const forms = head.hidden.length === 0 ? FORMS : ['fp32.safetensors', 'state_dict.pth'];
      for (const file of forms) {
        const rounding = /^(fp16|bf16)/.exec(file)?.[0] ?? 'fp32';
        const where = `${file}, ${head.hidden.length} hidden`;
        const weights = join(folder, file);
        const created = await ResNet50.create({
          classes: head.classes,
          weights,
          head: { hidden: head.hidden },
          device: 'cpu',
        });
        const codes = created.notes.map(({ code }) => code);
        assert.deepEqual(codes, ELSEWHERE.has(file) ? ['network-place'] : [], where);
        theirs.add(`${where}, create()`, relativeError(await logitsOf(created), expected.floats(rounding)));
        if (file === 'state_dict.pth') await created.save(join(folder, 'ours.safetensors'));
        created.dispose();
        if (rounding !== 'fp32') continue;
        const loaded = await ResNet50.load(weights, { device: 'cpu' });
        theirs.add(`${where}, load()`, relativeError(await logitsOf(loaded), expected.floats(rounding)));
        loaded.dispose();
      }
      await reference('checkpoints', folder, { ...head, task: 'read' });
      const again = await ResNet50.load(join(folder, 'ours.safetensors'), { device: 'cpu' });
      const read = readTensors(join(folder, 'read.safetensors')).floats('logits');
      ours.add(`${head.hidden.length} hidden`, relativeError(await logitsOf(again), read));
      again.dispose();
    }
    theirs.settle();
    ours.settle();
  });
});
