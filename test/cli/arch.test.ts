import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { backboneOf, linear, stateDict, torchFile } from '../support/networks.js';
import { inProcess, jsonLines, resnetTorch } from './support/command.js';
import { writeFolders } from './support/images.js';

const small = ['--image-size', '32', '--batch-size', '4', '--precision', 'fp32', '--workers', '1', '--threads', '1'];
const quick = [...small, '--strategy', 'feature-extraction', '--head', 'linear', '--epochs', '1'];

/** The answer of a command that prints one JSON value. */
async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await resnetTorch([...args, '--json']);
  assert.equal(code, 0, stderr);
  return jsonLines(stdout)[0] ?? {};
}

const unitsOf = (value: unknown): readonly string[] =>
  (value as { units: readonly { unit: string }[] }).units.map(({ unit }) => unit);

describe('--arch', () => {
  let folder: string;
  let data: string;
  let run: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    data = join(folder, 'data');
    run = join(folder, 'run');
    await writeFolders(data, { 'train/a': 4, 'train/b': 4, 'val/a': 2, 'val/b': 2 });
    const args = ['train', data, '--out', run, '--arch', 'resnet18', '--weights', 'none', ...quick];
    const trained = await resnetTorch([...args, '--json']);
    assert.equal(trained.code, 0, trained.stderr);
    const epoch = jsonLines(trained.stdout).find(({ type }) => type === 'epoch');
    assert.deepEqual(Object.keys(epoch?.drift ?? {}).length, 10);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('is written in the run, and read from it by what comes after', async () => {
    const config = JSON.parse(await readFile(join(run, 'config.json'), 'utf8')) as { model: { arch: string } };
    assert.equal(config.model.arch, 'resnet18');
    const { model, plan } = (await json('inspect', run)) as { model: { arch: string }; plan: object };
    assert.equal(model.arch, 'resnet18');
    assert.equal(unitsOf(plan).length, 10);
    const shown = await resnetTorch(['inspect', run]);
    assert.match(shown.stdout, /network: resnet18/);
    assert.match(shown.stdout, /Frozen from the input: 9 of 10 units/);
    const evaluated = await json('eval', run, data);
    assert.equal(evaluated.images, 4);
    const out = join(folder, 'model.onnx');
    const exported = await json('export', run, '--format', 'onnx', '--out', out);
    assert.equal(exported.format, 'onnx');
    assert.ok((await readFile(out)).includes('resnet18'));
  });

  it('of a run that goes on may be said, and must be its own', async (t) => {
    const again = ['train', data, '--out', run, '--resume'];
    const { code, stderr } = await inProcess(t, [...again, '--arch', 'resnet34']);
    assert.equal(code, 1);
    assert.match(stderr, /cannot be continued: it trains a resnet18, and a resnet34 was given/);
    const same = await resnetTorch([...again, '--arch', 'resnet18', '--json']);
    assert.equal(same.code, 0, same.stderr);
  });

  it('that does not exist is a usage error with the nearest name', async (t) => {
    const { code, stderr } = await inProcess(t, ['train', data, '--arch', 'resnet51']);
    assert.equal(code, 2);
    assert.match(stderr, /--arch cannot be "resnet51": it takes resnet18, .*Did you mean resnet50\?/);
  });

  it('that the weights are not of is named with theirs', async (t) => {
    const weights = join(folder, 'weights.pth');
    const deep = [...backboneOf({ blocks: [3, 4, 23, 3] }), ...linear('fc', 2)];
    await writeFile(weights, torchFile(stateDict(deep)));
    const out = join(folder, 'other');
    const { code, stderr } = await inProcess(t, ['train', data, '--out', out, '--weights', weights, ...quick]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /weights\.pth: these are the weights of a resnet101, and the model is a resnet50\. .*--arch resnet101/,
    );
    const named = await inProcess(t, ['train', data, '--out', out, '--weights', 'resnet18:imagenet-v1', ...quick]);
    assert.match(named.stderr, /weights of a resnet18, and the model is a resnet50/);
    const missing = await inProcess(t, [
      ...['train', data, '--out', out, '--arch', 'resnet18', '--weights', 'imagenet-v2', ...quick],
    ]);
    assert.match(missing.stderr, /There are no weights imagenet-v2 of a resnet18: it has imagenet-v1\./);
  });

  it('tells inspect whose units to show', async (t) => {
    const { plan } = (await json('inspect', '--arch', 'resnet101', '--freeze-until', 'layer3.22')) as { plan: object };
    assert.equal(unitsOf(plan).length, 35);
    assert.equal((plan as { frozenPrefixUnits: number }).frozenPrefixUnits, 31);
    const other = await inProcess(t, ['inspect', run, '--arch', 'resnet50']);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /weights of a resnet18, and the model is a resnet50/);
  });
});
