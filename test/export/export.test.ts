import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { exportModel } from '../../src/export/export.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { inProcess, jsonLines, resnetTorch } from '../cli/support/command.js';
import { fails } from '../support/fails.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { busyModel, CLASSES } from './support/models.js';

/** A run directory in miniature: what a command needs of one. */
async function runDirectory(t: TestContext): Promise<string> {
  const run = join(await temporaryDirectory(t), 'run');
  await mkdir(run);
  const model = await busyModel(t);
  const transform = { imageSize: 64, resize: 70, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
  await model.save(join(run, 'best.safetensors'), { transform, strategy: 'partial' });
  return run;
}

describe('exportModel()', () => {
  let model: ResNet50;
  before(async () => {
    model = await ResNet50.create({ classes: CLASSES, weights: 'none', device: 'cpu' });
  });
  after(() => model.dispose());

  it('refuses what it does not know before it begins', async (t) => {
    const folder = await temporaryDirectory(t);
    const out = join(folder, 'model');
    const wrong = (options: object, message: RegExp) =>
      assert.rejects(
        exportModel(model, { format: 'onnx', out, ...options } as Parameters<typeof exportModel>[1]),
        fails('ERR_INVALID_ARGUMENT', message),
      );
    await wrong({ format: 'onxx' }, /format cannot be "onxx".*Did you mean onnx\?/);
    await wrong({ format: undefined }, /format cannot be undefined/);
    await wrong({ folded: true }, /no option folded.*Did you mean fold\?/);
    await wrong({ opset: 12 }, /opset must be a whole number, at least 13/);
    await wrong({ softmax: 1 }, /softmax must be true or false/);
    await wrong({ format: 'torchvision', fold: false }, /fold is for the format onnx/);
    await wrong({ out: undefined }, /out must name the file/);
    await wrong({ out: 7 }, /out must be a path, not 7/);
    await wrong({ classes: ['a', 'b', 'c'] }, /classes are for a weights file/);
    assert.deepEqual(await readdir(folder), []);
  });

  it('leaves a file that is there alone, unless it may write over it', async (t) => {
    const out = join(await temporaryDirectory(t), 'model.onnx');
    await writeFile(out, 'mine');
    await assert.rejects(
      exportModel(model, { format: 'onnx', out }),
      fails('ERR_OUTPUT_EXISTS', /model\.onnx is there/),
    );
    assert.equal(await readFile(out, 'utf8'), 'mine');
    const { bytes } = await exportModel(model, { format: 'onnx', out, overwrite: true });
    assert.equal((await readFile(out)).length, bytes);
  });

  it('says where it cannot write', async (t) => {
    const folder = await temporaryDirectory(t);
    await mkdir(join(folder, 'there'));
    await writeFile(join(folder, 'file'), '');
    const place = (name: string, message: RegExp) =>
      assert.rejects(exportModel(model, { format: 'fp16', out: join(folder, name) }), fails('ERR_FILE', message));
    await place('nowhere/model', /nowhere: no such file or directory/);
    await place('there', /there: it is a folder/);
    await place('file/model', /file/);
  });

  it('stops when it is told to, and leaves nothing behind', async (t) => {
    const folder = await temporaryDirectory(t);
    for (const format of ['onnx', 'torchvision'] as const) {
      const controller = new AbortController();
      const reason = new Error('enough');
      const exported = exportModel(model, {
        format,
        out: join(folder, 'model'),
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      });
      await assert.rejects(exported, reason);
    }
    assert.deepEqual(await readdir(folder), []);
  });

  it('keeps the model from being trained or disposed of meanwhile', async (t) => {
    const out = join(await temporaryDirectory(t), 'model.onnx');
    const exported = exportModel(model, {
      format: 'onnx',
      out,
      onProgress: () => assert.throws(() => model.dispose(), /in use by an export/),
    });
    await exported;
    const release = model.acquire('a training run');
    await assert.rejects(
      exportModel(model, { format: 'onnx', out, overwrite: true }),
      fails('ERR_BUSY', /training run/),
    );
    release();
  });
});

describe('resnet-torch export', () => {
  it('exports a run beside its checkpoint, with labels and preprocessing in the file', async (t) => {
    const run = await runDirectory(t);
    const { code, stdout, stderr } = await resnetTorch(['export', run, '--format', 'onnx', '--softmax', '--json']);
    assert.equal(code, 0, stderr);
    const [result] = jsonLines(stdout);
    const path = join(run, 'model.onnx');
    assert.equal(result?.path, path);
    assert.equal(result?.output, 'probabilities');
    const file = await readFile(path);
    assert.equal(result?.bytes, file.length);
    assert.ok(file.includes(JSON.stringify(CLASSES)), 'labels');
    assert.ok(file.includes('"resize":70,"crop":64'), 'preprocessing');
    const again = await inProcess(t, ['export', run, '--format', 'onnx']);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /model\.onnx is there already.*\(ERR_OUTPUT_EXISTS\)/s);
  });

  it('takes the names of a weights file from a list, and does not write over the model itself', async (t) => {
    const folder = await temporaryDirectory(t);
    const model = await busyModel(t);
    const weights = join(folder, 'net.pth');
    await exportModel(model, { format: 'torchvision', out: weights });
    await writeFile(join(folder, 'names.txt'), 'x\ny\nz\n');
    const out = join(folder, 'net.safetensors');
    const named = await inProcess(t, [
      'export',
      weights,
      '--format',
      'safetensors',
      '--classes',
      join(folder, 'names.txt'),
    ]);
    assert.equal(named.code, 0, named.stderr);
    using again = await ResNet50.load(out, { device: 'cpu' });
    assert.deepEqual(again.classes, ['x', 'y', 'z']);
    const self = await inProcess(t, ['export', weights, '--format', 'torchvision', '--overwrite']);
    assert.equal(self.code, 1);
    assert.match(self.stderr, /net\.pth is the model itself/);
  });

  it('says what is no model', async (t) => {
    const folder = await temporaryDirectory(t);
    const { code, stderr } = await inProcess(t, ['export', folder, '--format', 'onnx']);
    assert.equal(code, 1);
    assert.match(stderr, /holds no best\.safetensors.*\(ERR_CHECKPOINT\)/s);
  });

  it('leaves nothing behind when the disk is full', { skip: process.platform === 'win32' }, async (t) => {
    const run = await runDirectory(t);
    for (const format of ['onnx', 'torchvision', 'fp16']) {
      // The limit is of the size of a file, in blocks of 512 bytes: 2 MB.
      const command = `ulimit -f 4096; exec "${process.execPath}" bin/resnet-torch.js export "${run}" --format ${format}`;
      const failed = promisify(execFile)('/bin/sh', ['-c', command], { cwd: projectRoot });
      await assert.rejects(failed, (error: Error & { code?: number; stderr?: string }) => {
        assert.equal(error.code, 1);
        assert.match(error.stderr ?? '', /(Cannot write|could not be written).*\(ERR_FILE\)/s);
        return true;
      });
      assert.deepEqual(await readdir(run), ['best.safetensors']);
    }
  });
});
