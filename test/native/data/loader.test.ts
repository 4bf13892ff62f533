import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { openDataset } from '../../../src/data/dataset.js';
import { openLoader, type PassOptions } from '../../../src/data/loader.js';
import type { NativeBatch, NativeFileList, NativeLoader } from '../../../src/native/contract/data.js';
import { native } from '../../../src/native/load.js';
import { writeColour, writeFolders } from '../../data/fixtures.js';
import { projectRoot, temporaryDirectory } from '../../support/paths.js';

const CROP = { kind: 'random', size: 48, resize: 48, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0.5 } as const;
const PASS = { crop: CROP, batchSize: 4, epoch: 0, seed: 1, training: true } as const;

async function imageFiles(t: TestContext, count: number): Promise<{ paths: readonly string[]; files: NativeFileList }> {
  const root = await writeFolders(await temporaryDirectory(t), { a: count });
  const paths = Array.from({ length: count }, (_, i) => join(root, 'a', `${i}.jpg`));
  return { paths, files: listOf(paths) };
}

function listOf(paths: readonly string[]): NativeFileList {
  return new (native().FileList)(
    paths,
    Int32Array.from(paths, (_, i) => i),
  );
}

async function drain(loader: NativeLoader, format: 'uint8' | 'float32' = 'uint8'): Promise<readonly NativeBatch[]> {
  const batches: NativeBatch[] = [];
  for (;;) {
    const batch = await loader.next(format);
    if (batch === null) return batches;
    batches.push(batch);
  }
}

const pass = async (files: NativeFileList, options: Partial<PassOptions> = {}): Promise<readonly NativeBatch[]> => {
  const loader = openLoader({ ...PASS, files, ...options });
  try {
    return await drain(loader);
  } finally {
    loader.dispose();
  }
};

test('a batch that there is no memory for fails its pass, not the process', async () => {
  const crop = { ...CROP, size: 1 << 14, resize: 1 << 14 };
  // More than the addresses of a process.
  const count = 1 << 19;
  const files = listOf(Array.from({ length: count }, () => '/nowhere.jpg'));
  const asked = pass(files, { crop, batchSize: count, workers: 2 });
  await assert.rejects(asked, { code: 'ERR_OUT_OF_MEMORY', message: /--batch-size.*--freeze-until/ });
  files.dispose();
});

test('batches do not depend on the number of workers', async (t) => {
  const { files } = await imageFiles(t, 22);
  const one = await pass(files, { workers: 1 });
  assert.equal(one.length, 6);
  assert.deepEqual(
    one.map(({ count }) => count),
    [4, 4, 4, 4, 4, 2],
  );
  for (const workers of [2, 5]) assert.deepEqual(await pass(files, { workers }), one);
  const seen = one.flatMap(({ indices }) => [...indices]).sort((a, b) => a - b);
  assert.deepEqual(
    seen,
    Array.from({ length: 22 }, (_, i) => i),
  );
  assert.ok(one.every(({ labels, indices }) => labels.every((label, i) => label === indices[i])));
});

test('another epoch and another seed give other orders and views; without shuffling the order stands', async (t) => {
  const { files } = await imageFiles(t, 8);
  const whole = { batchSize: 8 };
  const order = async (o: Partial<PassOptions>) => [...((await pass(files, { ...whole, ...o }))[0]?.indices ?? [])];
  assert.notDeepEqual(await order({ epoch: 1 }), await order({ epoch: 0 }));
  assert.notDeepEqual(await order({ seed: 2 }), await order({}));
  assert.deepEqual(await order({ training: false }), [0, 1, 2, 3, 4, 5, 6, 7]);
  const [first] = await pass(files, { ...whole, training: false });
  const [other] = await pass(files, { ...whole, training: false, epoch: 1 });
  assert.notDeepEqual(first?.images, other?.images);
});

test('a last batch of one joins the one before it in training, and stands alone in evaluation', async (t) => {
  const { files } = await imageFiles(t, 9);
  const counts = async (o: Partial<PassOptions>) => (await pass(files, o)).map(({ count }) => count);
  assert.deepEqual(await counts({}), [4, 5]);
  assert.deepEqual(await counts({ training: false }), [4, 4, 1]);
  assert.deepEqual(await counts({ batchSize: 9 }), [9]);
  assert.deepEqual(await counts({ batchSize: 100 }), [9]);
  assert.deepEqual(await counts({ batchSize: 1 }), Array(9).fill(1));
  const loader = openLoader({ ...PASS, files });
  assert.deepEqual([loader.batches, loader.images], [2, 9]);
  loader.dispose();
});

test('a pass that begins later goes on as the whole one', async (t) => {
  const { files } = await imageFiles(t, 18);
  const whole = await pass(files);
  assert.deepEqual(await pass(files, { firstBatch: 2 }), whole.slice(2));
  assert.deepEqual(await pass(files, { firstBatch: 99 }), []);
});

test('float32 is normalised channel by channel', async (t) => {
  const path = await writeColour(join(await temporaryDirectory(t), 'a.png'), '#ff8000');
  const loader = openLoader({ ...PASS, files: listOf([path]) });
  const [batch] = await drain(loader, 'float32');
  loader.dispose();
  const planes = [255, 128, 0].map((value, channel) => {
    const mean = Math.fround([0.485, 0.456, 0.406][channel] ?? 0);
    const deviation = Math.fround([0.229, 0.224, 0.225][channel] ?? 1);
    return Math.fround(Math.fround(Math.fround(value / 255) - mean) / deviation);
  });
  const area = CROP.size * CROP.size;
  assert.ok(batch?.images instanceof Float32Array);
  assert.ok(batch.images.every((value, at) => value === planes[Math.floor(at / area)]));
});

test('a file that breaks after it was checked ends the pass at its place', async (t) => {
  const { paths, files } = await imageFiles(t, 12);
  await writeFile(paths[6] ?? '', 'not a picture any more');
  const loader = openLoader({ ...PASS, files, training: false, workers: 3 });
  assert.equal((await loader.next('uint8'))?.count, 4);
  const failure = { name: 'ResnetTorchError', code: 'ERR_IMAGE_DECODE', message: /6\.jpg: .*--skip-corrupt/ };
  await assert.rejects(loader.next('uint8'), failure);
  await assert.rejects(loader.next('uint8'), failure);
  loader.dispose();
});

test('with skipCorrupt batches are smaller, even empty, and list what is missing', async (t) => {
  const { paths, files } = await imageFiles(t, 12);
  for (const i of [1, 4, 5, 6, 7]) await writeFile(paths[i] ?? '', '');
  for (const workers of [1, 3]) {
    const batches = await pass(files, { training: false, skipCorrupt: true, workers });
    assert.deepEqual(
      batches.map(({ count }) => count),
      [3, 0, 4],
    );
    assert.deepEqual([...(batches[0]?.indices ?? [])], [0, 2, 3]);
    assert.equal(batches[0]?.images.length, 3 * CROP.size * CROP.size * 3);
    assert.deepEqual(
      batches.map(({ failures }) => failures.map(({ index }) => index)),
      [[1], [4, 5, 6, 7], []],
    );
    assert.equal(batches[0]?.failures[0]?.path, paths[1]);
    assert.match(batches[0]?.failures[0]?.message ?? '', /empty/);
  }
});

test('requests that wait together are served in order', async (t) => {
  const { files } = await imageFiles(t, 12);
  const loader = openLoader({ ...PASS, files, training: false });
  const batches = await Promise.all([1, 2, 3, 4].map(() => loader.next('uint8')));
  assert.deepEqual(
    batches.map((batch) => batch && [...batch.indices][0]),
    [0, 4, 8, null],
  );
  loader.dispose();
});

test('a disposed loader answers ERR_DISPOSED to what waits and to what comes', async (t) => {
  const { paths, files } = await imageFiles(t, 12);
  // Seconds of work: not one batch of it is ready when the loader goes.
  const many = listOf(Array.from({ length: 100_000 }, (_, i) => paths[i % paths.length] as string));
  const loader = openLoader({ ...PASS, crop: { ...CROP, size: 8, resize: 8 }, files: many, batchSize: 50_000 });
  const waiting = [loader.next('uint8'), loader.next('uint8'), loader.next('uint8')];
  loader.dispose();
  loader.dispose();
  for (const request of waiting) await assert.rejects(request, { code: 'ERR_DISPOSED' });
  many.dispose();
  assert.throws(() => loader.next('uint8'), { code: 'ERR_DISPOSED' });
  assert.throws(() => loader.batches, { code: 'ERR_DISPOSED' });
  files.dispose();
  assert.throws(() => files.length, { code: 'ERR_DISPOSED' });
  assert.throws(() => openLoader({ ...PASS, files }), { code: 'ERR_DISPOSED' });
});

test('a cancelled request rejects', async (t) => {
  const { files } = await imageFiles(t, 12);
  const loader = openLoader({ ...PASS, files });
  const token = new (native().CancelToken)();
  token.cancel();
  await assert.rejects(loader.next('uint8', token), { code: 'ERR_ABORTED' });
  loader.dispose();
});

test('wrong arguments are named', async (t) => {
  const { paths, files } = await imageFiles(t, 2);
  const refused = (message: RegExp) => ({ name: 'ResnetTorchError', code: 'ERR_INVALID_ARGUMENT', message });
  assert.throws(() => openLoader({ ...PASS, files: {} as NativeFileList }), refused(/files must be a FileList/));
  assert.throws(() => openLoader({ ...PASS, files, batchSize: 0 }), refused(/batchSize/));
  assert.throws(() => openLoader({ ...PASS, files, seed: -1 }), refused(/seed/));
  assert.throws(() => openLoader({ ...PASS, files, crop: { ...CROP, flip: 2 } }), refused(/crop\.flip/));
  assert.throws(() => openLoader({ ...PASS, files, crop: { ...CROP, scale: [1, 0.5] } }), refused(/crop\.scale/));
  assert.throws(() => new (native().FileList)(paths, new Int32Array(1)), refused(/labels has 1 values for 2 paths/));
  const loader = openLoader({ ...PASS, files });
  assert.throws(() => loader.next('rgb' as 'uint8'), refused(/format/));
  loader.dispose();
});

test('dataset.batches is the loader, and breaking off lets go of it', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 6, b: 6 });
  using data = await openDataset(root, { valSplit: 0 });
  const batches = [];
  for await (const batch of data.batches({
    batchSize: 5,
    imageSize: 32,
    augment: 'standard',
    seed: 3,
    format: 'float32',
  })) {
    batches.push(batch);
  }
  assert.deepEqual(
    batches.map(({ shape }) => shape),
    [5, 5, 2].map((n) => [n, 3, 32, 32]),
  );
  for await (const batch of data.batches({ batchSize: 5, imageSize: 32 })) {
    assert.ok(batch.images instanceof Uint8Array);
    break;
  }
  const controller = new AbortController();
  await assert.rejects(
    async () => {
      for await (const _ of data.batches({ batchSize: 1, imageSize: 32, signal: controller.signal }))
        controller.abort();
    },
    { name: 'AbortError' },
  );
  assert.throws(() => data.batches({ batchsize: 1 } as object), { code: 'ERR_INVALID_ARGUMENT', message: /batchSize/ });
});

/** A program that leaves while its workers decode. */
function program(folder: string, ending: string): string {
  const dataset = pathToFileURL(join(projectRoot, 'dist', 'src', 'data', 'dataset.js')).href;
  return `const { openDataset } = await import(${JSON.stringify(dataset)});
    const data = await openDataset(${JSON.stringify(folder)}, { valSplit: 0 });
    const batches = data.batches({ batchSize: 1, workers: 4, augment: 'standard' });
    await batches.next();
    const waiting = batches.next();
    ${ending}`;
}

for (const [name, ending, status] of [
  ['process.exit', 'process.exit(7);', 7],
  ['an uncaught throw', 'throw new Error("out");', 1],
  ['running out of work', 'await waiting;', 0],
] as const) {
  test(`a process ends by ${name} while workers decode`, async (t) => {
    const root = await writeFolders(await temporaryDirectory(t), { a: 40, b: 40 });
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program(root, ending)], {
      encoding: 'utf8',
    });
    assert.equal(child.signal, null, child.stderr);
    assert.equal(child.status, status, child.stderr);
  });
}

test('a worker thread is terminated while its loader decodes', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { a: 40, b: 40 });
  for (let i = 0; i < 3; i++) {
    const body = `const { parentPort } = require('node:worker_threads');
      (async () => { ${program(root, "parentPort.postMessage('ready'); for await (const _ of batches);")} })();`;
    const worker = new Worker(body, { eval: true });
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
    });
    await worker.terminate();
  }
});

test('a loader, and a job over one, are kept from garbage collection while a promise is pending', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { files } = await imageFiles(t, 40);
  const pending = Array.from({ length: 8 }, () => openLoader({ ...PASS, batchSize: 40, files }).next('uint8'));
  const model = new (native().Model)({
    arch: 'resnet50',
    classes: 40,
    hidden: [],
    dropout: 0,
    dtype: 'float32',
    device: 'cpu',
    seed: 0,
  });
  t.after(() => model.dispose());
  const evaluation = model.evaluate({
    loader: openLoader({ ...PASS, batchSize: 8, files }),
    compute: 'dtype',
    maxBatches: 100,
  });
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  for (const batch of await Promise.all(pending)) assert.equal(batch?.count, 40);
  assert.equal((await evaluation).images, 40);
});
