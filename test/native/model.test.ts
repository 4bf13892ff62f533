import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ResnetTorchError } from '../../src/errors.js';
import { openWeights } from '../../src/model/weights/index.js';
import type { NativeModel, NativeModelOptions } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { temporaryDirectory } from '../support/paths.js';
import { randomiseNorms } from './support/networks.js';
import { newModel } from './support/sessions.js';

const shape = [2, 3, 64, 64] as const;
const images = Float32Array.from({ length: 2 * 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));

function createModel(options: Partial<NativeModelOptions> = {}): NativeModel {
  return newModel({ classes: 3, seed: 0, ...options });
}

function fails(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ResnetTorchError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

describe('the native model', () => {
  it("names its tensors as torchvision's state dict does", () => {
    const model = createModel({ classes: 5, hidden: [16] });
    const tensors = model.tensors();
    assert.equal(tensors.length, 322);
    assert.deepEqual(tensors[0], { name: 'conv1.weight', shape: [64, 3, 7, 7], kind: 'parameter' });
    assert.deepEqual(tensors[5], { name: 'bn1.num_batches_tracked', shape: [], kind: 'buffer' });
    assert.deepEqual(
      tensors.slice(-4).map((tensor) => tensor.name),
      ['fc.0.weight', 'fc.0.bias', 'fc.3.weight', 'fc.3.bias'],
    );
    assert.equal(tensors.filter((tensor) => tensor.kind === 'parameter').length, 163);
    model.dispose();
  });

  it('begins with the same weights for the same seed, in either dtype', async () => {
    const [one, two, other, wide] = [
      createModel({ seed: 1 }),
      createModel({ seed: 1 }),
      createModel({ seed: 2 }),
      createModel({ seed: 1, dtype: 'float64' }),
    ];
    const name = 'layer3.0.conv2.weight';
    const weights = await one.read(name);
    assert.deepEqual(await two.read(name), weights);
    assert.notDeepEqual(await other.read(name), weights);
    assert.deepEqual(Float32Array.from(await wide.read(name)), weights);
    for (const model of [one, two, other, wide]) model.dispose();
  });

  it('answers logits and features of the stated shapes, near each other in bfloat16', async () => {
    const model = createModel();
    const logits = await model.forward(images, shape, { output: 'logits', compute: 'dtype' });
    const features = await model.forward(images, shape, { output: 'features', compute: 'dtype' });
    const rounded = await model.forward(images, shape, { output: 'features', compute: 'bf16' });
    assert.equal(logits.length, 2 * 3);
    assert.equal(features.length, 2 * 2048);
    let difference = 0;
    let size = 0;
    for (let i = 0; i < features.length; i++) {
      difference += ((rounded[i] ?? 0) - (features[i] ?? 0)) ** 2;
      size += (features[i] ?? 0) ** 2;
    }
    assert.ok(Math.sqrt(difference / size) < 3e-2);
    model.dispose();
  });

  it('saves safetensors that load into an equal model', async (t) => {
    const path = join(await temporaryDirectory(t), 'weights of "mine" – ü.safetensors');
    const model = createModel({ seed: 3 });
    await model.save(path, { note: 'a "quoted" \\ note\n – ü' });
    const table = await openWeights(path);
    assert.equal(table.metadata.note, 'a "quoted" \\ note\n – ü');
    const copy = createModel({ seed: 4 });
    await copy.load(path, [...table.tensors.values()]);
    assert.deepEqual(
      await copy.forward(images, shape, { output: 'logits', compute: 'dtype' }),
      await model.forward(images, shape, { output: 'logits', compute: 'dtype' }),
    );
    model.dispose();
    copy.dispose();
  });

  it('reads tensors in the dtype that is asked for, and convolutions with their BatchNorm folded in', async () => {
    const model = createModel({ seed: 5 });
    await randomiseNorms(model);
    const wide = (name: string) => model.read(name, 'float64');
    const [name, norm] = ['layer2.0.downsample.0', 'layer2.0.downsample.1'];
    assert.deepEqual(Float32Array.from(await wide(`${name}.weight`)), await model.read(`${name}.weight`));
    const [kernel, gamma, beta, mean, variance] = await Promise.all(
      [`${name}.weight`, ...['weight', 'bias', 'running_mean', 'running_var'].map((key) => `${norm}.${key}`)].map(wide),
    );
    const folded = await model.readFolded(name, norm);
    const before = folded.weight.slice();
    await model.write(`${name}.weight`, new Float32Array(before.length));
    assert.deepEqual(folded.weight, before, 'what was read stays what it was');
    const scales = Float64Array.from(gamma ?? [], (value, i) => value / Math.sqrt((variance?.[i] ?? 0) + 1e-5));
    assert.deepEqual(
      folded.weight,
      Float32Array.from(kernel ?? [], (value, i) => value * (scales[i >> 8] ?? 0)),
    );
    assert.deepEqual(
      folded.bias,
      Float32Array.from(beta ?? [], (value, i) => value - (mean?.[i] ?? 0) * (scales[i] ?? 0)),
    );
    assert.throws(() => model.readFolded(name, 'layer2.0.bn1'), fails('ERR_SHAPE_MISMATCH', /layer2\.0\.bn1 is not/));
    assert.throws(() => model.readFolded('fc', 'bn1'), fails('ERR_SHAPE_MISMATCH', /bn1 is not/));
    assert.throws(() => model.readFolded(name, 'bn9'), fails('ERR_INVALID_ARGUMENT', /bn9/));
    model.dispose();
  });

  it('refuses what does not fit, by code and message, with the stack of the caller', async () => {
    const model = createModel();
    const forward = (values: Float32Array, of: readonly [number, number, number, number]) => () =>
      model.forward(values, of, { output: 'logits', compute: 'dtype' });
    assert.throws(forward(images, [2, 3, 64, 63]), fails('ERR_SHAPE_MISMATCH', /asks for 24192/));
    assert.throws(forward(images, [8, 3, 32, 16]), fails('ERR_SHAPE_MISMATCH', /at least 32 pixels/));
    assert.throws(() => model.read('layer9'), fails('ERR_INVALID_ARGUMENT', /layer9/));
    assert.throws(() => createModel({ classes: 0 }), fails('ERR_INVALID_ARGUMENT', /classes/));
    assert.throws(() => createModel({ dropout: 1 }), fails('ERR_INVALID_ARGUMENT', /dropout/));
    await assert.rejects(
      async function callerOfSave() {
        await model.save('/no such folder/file.safetensors', {});
      },
      (error) => {
        assert.ok(error instanceof ResnetTorchError);
        assert.equal(error.code, 'ERR_FILE');
        assert.match(error.message, /no such folder/);
        assert.match(error.stack ?? '', /callerOfSave/);
        return true;
      },
    );
    model.dispose();
  });

  it('is refused after disposal, and finishes what was asked before', async () => {
    const model = createModel();
    const pending = model.forward(images, shape, { output: 'logits', compute: 'dtype' });
    model.dispose();
    model.dispose();
    assert.equal((await pending).length, 6);
    assert.throws(() => model.tensors(), fails('ERR_DISPOSED', /disposed/));
  });

  it('is cancelled by its token', async () => {
    const model = createModel();
    const token = new (native().CancelToken)();
    const first = model.forward(images, shape, { output: 'logits', compute: 'dtype' });
    const second = model.forward(images, shape, { output: 'logits', compute: 'dtype' }, token);
    token.cancel();
    await assert.rejects(second, fails('ERR_ABORTED', /aborted/));
    await first;
    model.dispose();
  });
});
