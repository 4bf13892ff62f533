import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { scanFiles } from '../../src/data/check.js';
import { openDataset } from '../../src/data/dataset.js';
import { train } from '../../src/training/train.js';
import { writeCheckpoint } from '../serving/support/model.js';
import { fails } from '../support/fails.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { tinyFolder, tinyModel, tinyOptions } from '../training/support/tiny.js';
import { type HostileFile, hostileFiles } from './support/hostile.js';
import { type Cost, MEASURED, MOST_CPU_MS, MOST_MEGABYTES, writeHostile } from './support/measured.js';
import { answerOf, program } from './support/programs.js';

/** Kinds that no look at the file's structure finds: only decoding does. */
const FOUND_WHEN_DECODED = [
  'AVIF whose coded picture is larger than it says',
  'lossless JPEG of 16383×16383, by its header',
  'PNG with a wrong checksum',
  'TIFF of a compression that there is not',
];

let files: readonly HostileFile[];

before(() => {
  files = hostileFiles();
});

/** That each file came to what it should, within the bounds. */
function check(t: TestContext, costs: readonly Cost[]): void {
  const most = (key: 'megabytes' | 'cpuMs') => costs.reduce((a, b) => (b[key] > a[key] ? b : a));
  const [memory, time] = [most('megabytes'), most('cpuMs')];
  t.diagnostic(`${costs.length} files; ${memory.megabytes.toFixed(0)} MB at most (${memory.name})`);
  t.diagnostic(`${time.cpuMs.toFixed(0)} ms of processor time at most (${time.name})`);
  assert.deepEqual(
    costs.map(({ name, outcome }) => `${name}: ${outcome}`),
    files.map(({ name, expect }) => `${name}: ${expect}`),
  );
  for (const { name, megabytes, cpuMs } of costs) {
    assert.ok(megabytes < MOST_MEGABYTES, `${name}: ${megabytes.toFixed(0)} MB`);
    assert.ok(cpuMs < MOST_CPU_MS, `${name}: ${cpuMs.toFixed(0)} ms of processor time`);
  }
}

async function checkpointOf(t: TestContext): Promise<string> {
  return writeCheckpoint(join(await temporaryDirectory(t), 'model.safetensors'), ['ants', 'bees']);
}

describe('hostile images', () => {
  it('are what their table says in a prediction from bytes and from files', async (t) => {
    const { table } = await writeHostile(t, files);
    const ground = { images: await tinyFolder(t), out: '' };
    const body = (image: string): string => `${MEASURED}
      const predictor = await Predictor.load(${JSON.stringify(checkpoint)}, { workers: 1, imageSize: 224, resize: 256 });
      for (let i = 0; i < 3; i++) await predictor.predict(photo);
      await measured(${JSON.stringify(table)}, (path) => predictor.predict(${image}));
      predictor.dispose();`;
    const checkpoint = await checkpointOf(t);
    check(t, await answerOf<Cost[]>(program(ground, body('readFileSync(path)'))));
    check(t, await answerOf<Cost[]>(program(ground, body('path'))));
  });

  it('are answered by a server, which goes on and keeps its memory', async (t) => {
    const { table } = await writeHostile(t, files);
    const body = `${MEASURED}
      const { createServer } = await import(${JSON.stringify(join(projectRoot, 'dist/src/serving/index.js'))});
      const server = await createServer({ models: { bees: ${JSON.stringify(await checkpointOf(t))} },
        predictor: { workers: 1, imageSize: 224, resize: 256 } });
      const { url } = await server.listen({ port: 0 });
      await server.ready;
      const headers = { 'content-type': 'application/octet-stream' };
      const post = async (path) => {
        const response = await fetch(url + 'v1/predict', { method: 'POST', headers, body: readFileSync(path) });
        const answer = await response.text();
        if (response.status === 200) return;
        if (![400, 413, 422].includes(response.status)) throw new Error(response.status + ' ' + answer);
        throw Object.assign(new Error(answer), { code: 'ERR_IMAGE_DECODE' });
      };
      for (let i = 0; i < 3; i++) await post(photo);
      await measured(${JSON.stringify(table)}, post);
      await post(photo);
      await server.close();`;
    const costs = await answerOf<Cost[]>(program({ images: await tinyFolder(t), out: '' }, body));
    // Its own limit on pixels refuses the few pictures of the table that are larger.
    const isLarge = ({ name }: { readonly name: string }) => name.includes('16383×16383');
    assert.ok(costs.filter(isLarge).every(({ outcome }) => outcome === 'refused'));
    const wanted = new Map(files.map(({ name, expect }) => [name, expect]));
    check(
      t,
      costs.map((cost) => (isLarge(cost) ? { ...cost, outcome: wanted.get(cost.name) ?? cost.outcome } : cost)),
    );
  });

  it('are what their table says in views for training and for validation', async (t) => {
    const { table } = await writeHostile(t, files);
    const ground = { images: await tinyFolder(t), out: '' };
    for (const kind of ['center', 'random']) {
      const body = `${MEASURED}
        const { native } = await import(${JSON.stringify(join(projectRoot, 'dist/src/native/load.js'))});
        const { openLoader } = await import(${JSON.stringify(join(projectRoot, 'dist/src/data/loader.js'))});
        const crop = { kind: '${kind}', size: 224, resize: 256, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0.5 };
        const view = async (path) => {
          const list = new (native().FileList)([path], new Int32Array(1));
          const loader = openLoader({ files: list, crop, batchSize: 1, epoch: 0, seed: 1, training: true, workers: 1 });
          try {
            await loader.next('uint8');
          } finally {
            loader.dispose();
            list.dispose();
          }
        };
        for (let i = 0; i < 3; i++) await view(photo);
        await measured(${JSON.stringify(table)}, view);`;
      check(t, await answerOf<Cost[]>(program(ground, body)));
    }
  });

  it('are found at the first look, as far as that is cheap', async (t) => {
    const { paths } = await writeHostile(t, files);
    const scanned = await scanFiles(paths, { workers: 1 });
    const late = files.filter(({ expect }, i) => expect === 'refused' && scanned[i]?.ok === true);
    assert.deepEqual(late.map(({ name }) => name).sort(), FOUND_WHEN_DECODED.toSorted());
    const wrong = files.filter(({ expect }, i) => expect === 'image' && scanned[i]?.ok !== true);
    assert.deepEqual(
      wrong.map(({ name }) => name),
      [],
    );
  });

  it('are left out of a run that is told to, and stop one that is not', async (t) => {
    const root = await tinyFolder(t, { train: 2, val: 1 });
    const { paths } = await writeHostile(t, files);
    for (const part of ['train', 'val']) {
      for (const [i, path] of paths.entries()) await copyFile(path, join(root, part, 'class 0', `hostile ${i}.jpg`));
    }
    await assert.rejects(openDataset(root), fails('ERR_IMAGE_DECODE', /--skip-corrupt/));
    const good = files.filter(({ expect }) => expect === 'image').length;
    using data = await openDataset(root, { skipCorrupt: true });
    using model = await tinyModel();
    const run = train(model, data, { ...tinyOptions, epochs: 1, skipCorrupt: true });
    const images: (readonly number[])[] = [];
    for await (const event of run) if (event.type === 'epoch') images.push([event.train.images, event.val.images]);
    assert.deepEqual(images, [[6 + good, 3 + good]]);
    assert.equal((await run.result).skipped, 2 * (files.length - good));
  });

  it('stop `predict` with a message, or are left out of it', async (t) => {
    // Those that are too large by their headers have an error of their own.
    const scanned = await scanFiles((await writeHostile(t, files)).paths, { workers: 1 });
    const broken = files.filter((_, i) => !/beyond what is read/.test(scanned[i]?.message ?? ''));
    assert.ok(broken.length > 100 && broken.length < files.length);
    const { folder } = await writeHostile(t, broken);
    const model = await checkpointOf(t);
    const predict = (...args: readonly string[]) =>
      spawnSync(process.execPath, [join(projectRoot, 'bin/resnet-torch.js'), 'predict', model, folder, ...args], {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
        env: { ...process.env, OMP_NUM_THREADS: '1' },
      });
    const { status, stdout, stderr } = predict('--skip-corrupt', '--json', '--workers', '1');
    assert.equal(status, 0, stderr);
    const seen: { readonly images: readonly { readonly predictions?: readonly unknown[] }[] } = JSON.parse(stdout);
    assert.equal(
      seen.images.filter(({ predictions = [] }) => predictions.length > 0).length,
      broken.filter(({ expect }) => expect === 'image').length,
    );
    const stopped = predict('--strict');
    assert.equal(stopped.status, 1);
    assert.match(stopped.stderr, /Cannot read the image|is too large/);
    assert.doesNotMatch(stopped.stderr, /\n +at /);
  });
});

describe('a huge file that is named as a photograph', () => {
  /** Gigabytes without a block on the disk, after a few bytes. */
  async function sparse(t: TestContext, head: Uint8Array): Promise<string> {
    const path = join(await temporaryDirectory(t), 'huge.jpg');
    const file = await open(path, 'w');
    try {
      await file.write(head);
      await file.truncate(8 * 2 ** 30);
    } finally {
      await file.close();
    }
    return path;
  }

  it('is not read whole', async (t) => {
    const kinds = ['whole JPEG', 'whole PNG', 'whole TIFF', 'whole WebP', 'whole GIF', 'whole AVIF', 'zeros'];
    const heads = kinds.map((kind) => files.find(({ name }) => name === kind)?.bytes ?? Buffer.alloc(0));
    const paths = await Promise.all(heads.map((head) => sparse(t, head)));
    const table = join(await temporaryDirectory(t), 'table.json');
    await writeFile(table, JSON.stringify(kinds.map((name, i) => ({ name, path: paths[i] }))));
    const body = `${MEASURED}
      const predictor = await Predictor.load(${JSON.stringify(await checkpointOf(t))}, { workers: 1 });
      await predictor.predict(photo);
      await measured(${JSON.stringify(table)}, (path) => predictor.predict(path));
      predictor.dispose();`;
    const costs = await answerOf<Cost[]>(program({ images: await tinyFolder(t), out: '' }, body));
    for (const { name, megabytes, cpuMs } of costs) {
      assert.ok(megabytes < MOST_MEGABYTES && cpuMs < MOST_CPU_MS, `${name}: ${megabytes} MB, ${cpuMs} ms`);
    }
    for (const name of ['whole JPEG', 'zeros'])
      assert.equal(costs.find((cost) => cost.name === name)?.outcome, 'refused');
    const scanned = await scanFiles(paths, { workers: 1 });
    assert.match(scanned[0]?.message ?? '', /8589934592 bytes are beyond/);
  });
});

it('a pipe that is named as a photograph is no image, and nothing waits for it', async (t) => {
  const folder = await temporaryDirectory(t);
  const pipe = join(folder, 'pipe.jpg');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const [scanned] = await scanFiles([pipe], { workers: 1 });
  assert.match(scanned?.message ?? '', /not a file/);
});

it('the sides and the scans of a picture are told where they are too many', async (t) => {
  const { paths } = await writeHostile(t, files);
  const scanned = await scanFiles(paths, { workers: 1 });
  const messageOf = (name: string) => scanned[files.findIndex((file) => file.name === name)]?.message ?? '';
  assert.match(messageOf('PNG of 9,000,000×1'), /9000000×1 pixels, are too unequal/);
  assert.match(messageOf('TIFF of 500 bands'), /500 bands, and at most 5 are read/);
  assert.match(messageOf('progressive JPEG of a thousand scans'), /1000 scans, and at most 100 are read/);
  assert.match(messageOf('SVG'), /it is an SVG/);
  assert.match(messageOf('PDF'), /it is a PDF/);
  assert.match(messageOf('HEIC'), /it is a HEIC/);
  assert.match(messageOf('PNG cut at its half'), /the PNG is truncated/);
});
