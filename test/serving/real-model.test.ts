import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ResnetTorchError } from '../../src/errors.js';
import { Predictor } from '../../src/inference/predictor.js';
import { native } from '../../src/native/load.js';
import { createServer, type PredictionServer } from '../../src/serving/index.js';
import { gifBomb, jpegBomb, pngBomb } from './support/bombs.js';
import { goodImages } from './support/fuzz/attacks.js';
import { writeCheckpoint } from './support/model.js';
import { form, post } from './support/serving.js';

const CLASSES = ['ants', 'bees', 'wasps'];
const TYPE = 'application/octet-stream';

describe('a server of a real model', () => {
  let folder: string;
  let checkpoint: string;
  let server: PredictionServer;
  let url: string;
  let images: readonly Buffer[];
  const errors: unknown[] = [];

  before(async () => {
    native().setThreads(1);
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    checkpoint = await writeCheckpoint(join(folder, 'model.safetensors'), CLASSES);
    images = await goodImages();
    server = await createServer({
      models: { insects: checkpoint },
      predictor: { precision: 'fp32', device: 'cpu', workers: 1 },
      onError: (error) => errors.push(error),
    });
    ({ url } = await server.listen({ port: 0 }));
    await server.ready;
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('answers what the library says of the same files', async () => {
    const paths = await Promise.all(
      images.map(async (bytes, i) => {
        const path = join(folder, `${i}.image`);
        await writeFile(path, bytes);
        return path;
      }),
    );
    using predictor = await Predictor.load(checkpoint, { precision: 'fp32', device: 'cpu', workers: 1 });
    const wanted = await predictor.predict(paths, { features: true });
    const { status, body } = await post(`${url}v1/predict?features=true`, form(images));
    assert.equal(status, 200, JSON.stringify(body));
    const found = body.images as unknown as {
      predictions: { label: string; probability: number }[];
      features: number[];
    }[];
    assert.equal(found.length, wanted.length);
    for (const [i, { predictions, features }] of wanted.entries()) {
      assert.deepEqual(
        found[i]?.predictions.map(({ label }) => label),
        predictions.map(({ label }) => label),
      );
      for (const [rank, { probability }] of predictions.entries()) {
        assert.ok(Math.abs((found[i]?.predictions[rank]?.probability ?? 0) - probability) < 1e-5);
      }
      assert.ok(features.every((value, at) => Math.abs((found[i]?.features[at] ?? 0) - value) < 1e-4));
    }
  });

  it('answers many requests at once as it answers one', async () => {
    const one = await post(`${url}v1/predict`, new Uint8Array(images[0] ?? []), TYPE);
    const many = await Promise.all(
      Array.from({ length: 24 }, () => post(`${url}v1/predict`, new Uint8Array(images[0] ?? []), TYPE)),
    );
    for (const { status, body } of many) {
      assert.equal(status, 200);
      assert.equal(body.images?.[0]?.predictions[0]?.label, one.body.images?.[0]?.predictions[0]?.label);
    }
    const text = await (await fetch(`${url}metrics`)).text();
    const value = (name: string) => Number(new RegExp(`${name}\\{model="insects"\\} (\\d+)`).exec(text)?.[1]);
    assert.ok(value('resnet_torch_batched_images_total') > value('resnet_torch_batches_total'), 'some went together');
  });

  it('refuses every image that is cut off', async () => {
    for (const [i, bytes] of images.entries()) {
      for (const share of [0.5, 0.9]) {
        const cut = new Uint8Array(bytes.subarray(0, Math.floor(bytes.length * share)));
        const { status, body } = await post(`${url}v1/predict`, cut, TYPE);
        assert.equal(status, 422, `image ${i} at ${share}: ${JSON.stringify(body)}`);
        assert.equal(body.type, 'urn:resnet-torch:problem:undecodable-image');
        assert.doesNotMatch(String(body.detail), /tmp|\/|given as data/);
      }
    }
  });

  it('refuses more pixels than it decodes by the header', async () => {
    const photo = images[0] ?? Buffer.alloc(0);
    const bombs = {
      'a PNG of a million by a million': pngBomb(1_000_000, 1_000_000),
      'a PNG a little too large': pngBomb(10_000, 5_001),
      'a JPEG of 65,500 by 65,500': jpegBomb(photo, 65_500, 65_500),
      'a GIF of 65,535 by 65,535': gifBomb(65_535, 65_535),
    };
    for (const [what, bytes] of Object.entries(bombs)) {
      const { status, body } = await post(`${url}v1/predict`, new Uint8Array(bytes), TYPE);
      assert.equal(status, 413, `${what}: ${JSON.stringify(body)}`);
      assert.equal(body.type, 'urn:resnet-torch:problem:image-too-large');
      assert.equal(body.detail, 'By its header it has more than 50000000 pixels.');
    }
  });

  it('refuses the largest size that a header can declare', async () => {
    const { status } = await post(`${url}v1/predict`, new Uint8Array(pngBomb(2 ** 31 - 1, 2 ** 31 - 1)), TYPE);
    assert.equal(status, 413);
  });

  it('loads what lies at its path anew', async () => {
    const before = await post(`${url}v1/predict?topK=1`, new Uint8Array(images[0] ?? []), TYPE);
    assert.ok(CLASSES.includes(before.body.images?.[0]?.predictions[0]?.label ?? ''));
    await writeCheckpoint(checkpoint, ['eins', 'zwei'], 2);
    assert.deepEqual(await server.reload(), { reloaded: ['insects'], failed: [] });
    const fresh = await post(`${url}v1/predict?topK=1`, new Uint8Array(images[0] ?? []), TYPE);
    assert.ok(['eins', 'zwei'].includes(fresh.body.images?.[0]?.predictions[0]?.label ?? ''));
    await writeFile(checkpoint, 'broken');
    const { failed } = await server.reload();
    assert.ok(failed[0]?.error instanceof ResnetTorchError);
    assert.equal(failed[0].error.code, 'ERR_WEIGHTS_FORMAT');
    assert.equal((await post(`${url}v1/predict`, new Uint8Array(images[0] ?? []), TYPE)).status, 200);
    assert.deepEqual(errors, []);
  });
});
