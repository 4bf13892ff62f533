import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Dataset } from '../../src/data/dataset.js';
import { openLoader } from '../../src/data/loader.js';
import { centerCrop, viewSpec } from '../../src/data/transforms/spec.js';
import type { NativeBatch, NativeFileList } from '../../src/native/contract/data.js';
import { native } from '../../src/native/load.js';
import type { CacheFigures, StartEvent, TrainingEvent } from '../../src/training/events.js';
import type { TrainOptions } from '../../src/training/options.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { collect, tinyData, tinyModel, tinyOptions } from './support/tiny.js';

async function trained(t: TestContext, data: Dataset, options: TrainOptions): Promise<readonly TrainingEvent[]> {
  const model = await tinyModel();
  t.after(() => model.dispose());
  return collect(train(model, data, { ...tinyOptions, epochs: 3, ...options }));
}

function startOf(events: readonly TrainingEvent[]): StartEvent {
  const [start] = events;
  assert.ok(start?.type === 'start');
  return start;
}

/** Losses of every step and epoch, bit for bit. */
function losses(events: readonly TrainingEvent[]): readonly number[] {
  return events.flatMap((event) => {
    if (event.type === 'step') return [event.loss];
    return event.type === 'epoch' ? [event.train.loss, event.val.loss, event.val.top1] : [];
  });
}

function figures(events: readonly TrainingEvent[]): readonly (CacheFigures | null)[] {
  return events.flatMap((event) => (event.type === 'epoch' ? [event.cache] : []));
}

describe('a run with a feature cache', () => {
  let before_: string | undefined;
  before(() => {
    before_ = process.env.RESNET_TORCH_CACHE;
  });
  after(() => {
    if (before_ === undefined) delete process.env.RESNET_TORCH_CACHE;
    else process.env.RESNET_TORCH_CACHE = before_;
  });
  const cacheDirectory = async (t: TestContext): Promise<string> => {
    const directory = await temporaryDirectory(t);
    process.env.RESNET_TORCH_CACHE = directory;
    return directory;
  };

  for (const augment of ['none', 'flip'] as const) {
    it(`trains to the same losses as one without, with the augmentation ${augment}`, async (t) => {
      const directory = await cacheDirectory(t);
      const data = await tinyData(t);
      const off = await trained(t, data, { augment, cache: 'off' });
      assert.equal(startOf(off).cache, null);
      assert.deepEqual(figures(off), [null, null, null]);
      const memory = await trained(t, data, { augment, cache: 'memory' });
      assert.deepEqual(losses(memory), losses(off));
      const views = augment === 'flip' ? 2 : 1;
      const entryBytes = 2048 * 4;
      assert.deepEqual(startOf(memory).cache, {
        mode: 'memory',
        views,
        entries: 12 * views + 6,
        bytes: (12 * views + 6) * entryBytes,
        found: 0,
        path: null,
      });
      for (let turn = 0; turn < 2; turn++) {
        const disk = await trained(t, data, { augment, cache: 'disk' });
        assert.deepEqual(losses(disk), losses(off));
        assert.ok(startOf(disk).cache?.path?.startsWith(join(directory, 'features')));
      }
    });
  }

  it('is exactly one without where it has as many views as epochs, and as repeatable where it has fewer', async (t) => {
    await cacheDirectory(t);
    const data = await tinyData(t);
    const augment = { policy: 'standard', verticalFlip: 0.5, colorJitter: 0.3, randomErasing: 0.5 } as const;
    const plain = await trained(t, data, { augment });
    assert.equal(startOf(plain).cache, null);
    assert.match(startOf(plain).cacheNote, /--cache-views/);
    for (const cache of ['off', 'memory', 'disk'] as const)
      assert.deepEqual(losses(await trained(t, data, { augment, cache, cacheViews: 3 })), losses(plain));
    const two = await trained(t, data, { augment, cache: 'off', cacheViews: 2 });
    assert.notDeepEqual(losses(two), losses(plain));
    assert.deepEqual(losses(await trained(t, data, { augment, cache: 'memory', cacheViews: 2 })), losses(two));
  });

  it('computes each image once', async (t) => {
    await cacheDirectory(t);
    const data = await tinyData(t);
    const images = 12 + 6;
    const events = await trained(t, data, { augment: 'none', cache: 'memory' });
    assert.deepEqual(
      figures(events).map((epoch) => [epoch?.hits, epoch?.misses, epoch?.entries]),
      [
        [0, images, images],
        [images, 0, images],
        [images, 0, images],
      ],
    );
  });

  it('finds on disk what an earlier run left, and drops what was damaged since', async (t) => {
    const directory = await cacheDirectory(t);
    const data = await tinyData(t);
    const images = 12 + 6;
    const first = await trained(t, data, { augment: 'none', cache: 'disk' });
    assert.equal(startOf(first).cache?.found, 0);
    const second = await trained(t, data, { augment: 'none', cache: 'disk' });
    assert.equal(startOf(second).cache?.found, images);
    assert.deepEqual(
      figures(second).map((epoch) => [epoch?.hits, epoch?.misses]),
      [
        [images, 0],
        [images, 0],
        [images, 0],
      ],
    );
    const [key = ''] = await readdir(join(directory, 'features'));
    const store = join(directory, 'features', key);
    const [name = ''] = (await readdir(store)).filter((file) => file.endsWith('.data'));
    const bytes = await readFile(join(store, name));
    bytes[100] = (bytes[100] as number) ^ 1;
    await writeFile(join(store, name), bytes);
    const third = await trained(t, data, { augment: 'none', cache: 'disk' });
    assert.deepEqual(losses(third), losses(first));
    assert.equal(figures(third)[0]?.damaged, 1);
    // Other weights are another store.
    const model = await tinyModel({ seed: 2 });
    t.after(() => model.dispose());
    const other = await collect(train(model, data, { ...tinyOptions, augment: 'none', cache: 'disk' }));
    assert.notEqual(startOf(other).cache?.path, store);
  });

  it('goes on without a disk that takes nothing, and says so', async (t) => {
    const data = await tinyData(t);
    const file = join(await temporaryDirectory(t), 'no directory');
    await writeFile(file, '');
    process.env.RESNET_TORCH_CACHE = file;
    const events = await trained(t, data, { augment: 'none', cache: 'disk' });
    const told = events.filter((event) => event.type === 'cache');
    assert.equal(told.length, 1);
    assert.match(told[0]?.message ?? '', /no directory/);
    assert.equal(figures(events).at(-1)?.entries, 0);
    process.env.RESNET_TORCH_CACHE = await temporaryDirectory(t);
    assert.deepEqual(losses(events), losses(await trained(t, data, { augment: 'none', cache: 'off' })));
  });

  it('is filled anew where a run goes on, which ends as it would have', async (t) => {
    await cacheDirectory(t);
    const data = await tinyData(t);
    const options = { ...tinyOptions, epochs: 4, augment: 'flip', cache: 'memory' } as const;
    const whole = await trained(t, data, options);
    const out = join(await temporaryDirectory(t), 'run');
    const controller = new AbortController();
    const model = await tinyModel();
    t.after(() => model.dispose());
    const first: TrainingEvent[] = [];
    await assert.rejects(
      async () => {
        for await (const event of train(model, data, { ...options, out, signal: controller.signal })) {
          first.push(event);
          if (event.type === 'epoch' && event.epoch === 2) controller.abort();
        }
      },
      { name: 'AbortError' },
    );
    const again = await tinyModel({ seed: 9 });
    t.after(() => again.dispose());
    const rest = await collect(train(again, data, { out, resume: true }));
    assert.equal(startOf(rest).cache?.mode, 'memory');
    const epochs = (events: readonly TrainingEvent[]) =>
      events.flatMap((event) => (event.type === 'epoch' ? [[event.epoch, event.train.loss, event.val.loss]] : []));
    const seen = epochs(rest);
    assert.ok(seen.length > 0);
    assert.deepEqual(seen, epochs(whole).slice(-seen.length));
  });

  it('is refused where there is nothing to keep, and is kept in the config of its run', async (t) => {
    await cacheDirectory(t);
    const data = await tinyData(t);
    const model = await tinyModel();
    t.after(() => model.dispose());
    const refused = (options: TrainOptions, message: RegExp) =>
      assert.throws(() => train(model, data, { ...tinyOptions, ...options }), {
        code: 'ERR_INVALID_ARGUMENT',
        message,
      });
    refused({ freeze: 'none', cache: 'memory' }, /freeze more/);
    refused({ augment: 'standard', cache: 'disk' }, /cacheViews/);
    refused({ cache: 'ram' as 'memory' }, /cache/);
    refused({ cacheViews: 0 }, /cacheViews/);
    const out = join(await temporaryDirectory(t), 'run');
    await collect(train(model, data, { ...tinyOptions, out, augment: 'flip', cache: 'memory', cacheViews: 1 }));
    const { settings } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    assert.deepEqual([settings.cache, settings.cacheViews], ['memory', 1]);
  });
});

describe('the views of a loader', () => {
  it('come again after as many epochs, in the order of their own epoch', async (t) => {
    const data = await tinyData(t);
    const files: NativeFileList = await data.fileListFor('train', data.classes);
    t.after(() => files.dispose());
    const pass = async (epoch: number, views: number): Promise<ReadonlyMap<number, Buffer>> => {
      const loader = openLoader({
        files,
        ...viewSpec('standard', 32, 36),
        batchSize: 32,
        epoch,
        seed: 7,
        training: true,
        views,
      });
      const batch = (await loader.next('uint8')) as NativeBatch;
      loader.dispose();
      assert.equal(batch.epoch, epoch);
      const side = 32 * 32 * 3;
      const pixels = Buffer.from(batch.images.buffer, batch.images.byteOffset, batch.images.byteLength);
      return new Map([...batch.indices].map((index, at) => [index, pixels.subarray(at * side, (at + 1) * side)]));
    };
    const order = async (epoch: number, views: number) => [...(await pass(epoch, views)).keys()];
    const sorted = async (epoch: number, views: number) =>
      [...(await pass(epoch, views))].sort(([a], [b]) => a - b).map(([, pixels]) => pixels.toString('hex'));
    assert.deepEqual(await sorted(2, 2), await sorted(0, 0));
    assert.deepEqual(await sorted(3, 2), await sorted(1, 0));
    assert.notDeepEqual(await sorted(2, 2), await sorted(2, 0));
    assert.deepEqual(await order(2, 2), await order(2, 0));
    assert.notDeepEqual(await order(2, 2), await order(0, 0));
  });

  it('gives no batches to JavaScript where it has a cache, which is of no use once disposed of', async (t) => {
    const data = await tinyData(t);
    const files = await data.fileListFor('val', data.classes);
    t.after(() => files.dispose());
    const cache = new (native().FeatureCache)({ mode: 'memory', entryBytes: 8192, units: 17, memoryLimit: 1e6 });
    await cache.open();
    const open = () =>
      openLoader({
        files,
        crop: centerCrop(32, 36),
        batchSize: 4,
        epoch: 0,
        seed: 0,
        training: false,
        cache,
      });
    const loader = open();
    assert.throws(() => loader.next('uint8'), { code: 'ERR_INVALID_ARGUMENT' });
    loader.dispose();
    assert.deepEqual(cache.stats(), { hits: 0, misses: 0, entries: 0, bytes: 0, damaged: 0, stopped: null });
    await cache.close();
    cache.dispose();
    cache.dispose();
    assert.throws(() => cache.stats(), { code: 'ERR_DISPOSED' });
    assert.throws(open, { code: 'ERR_DISPOSED' });
  });
});

it("the hash of a prefix is its weights', its BatchNorms' included", async (t) => {
  const model = await tinyModel();
  t.after(() => model.dispose());
  const handle = model.handle;
  const all = await Promise.all([1, 2, 16, 17].map((units) => handle.prefixHash(units)));
  for (const hash of all) assert.match(hash, /^[0-9a-f]{32}$/);
  assert.equal(new Set(all).size, 4);
  const change = async (name: string): Promise<void> => {
    const values = await handle.read(name);
    const last = values.length - 1;
    values[last] = (values[last] as number) + 1e-3;
    await handle.write(name, values);
  };
  await change('fc.bias');
  assert.equal(await handle.prefixHash(17), all[3]);
  await change('layer4.2.bn3.running_var');
  assert.notEqual(await handle.prefixHash(17), all[3]);
  assert.equal(await handle.prefixHash(16), all[2]);
  await change('conv1.weight');
  assert.notEqual(await handle.prefixHash(1), all[0]);
  const same = await tinyModel();
  t.after(() => same.dispose());
  assert.equal(await same.handle.prefixHash(1), all[0]);
  assert.throws(() => handle.prefixHash(18), { code: 'ERR_INVALID_ARGUMENT' });
});
