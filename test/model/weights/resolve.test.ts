import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ARCHITECTURE_NAMES } from '../../../src/model/architecture.js';
import { download, Unavailable } from '../../../src/model/weights/download.js';
import { defaultWeights, NAMED_WEIGHTS, resolveWeights } from '../../../src/model/weights/index.js';
import { temporaryDirectory } from '../../support/paths.js';

const CONTENT = Buffer.alloc(300_000, 'weights ');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** Sends the file, or the part of it that the request asks for. */
function send(request: IncomingMessage, response: ServerResponse, content: Buffer = CONTENT): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers = { etag: '"one"', 'content-length': content.length - start };
  const range = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
  response.writeHead(start > 0 ? 206 : 200, start > 0 ? { ...headers, ...range } : headers);
  response.end(content.subarray(start));
}

/** Promises the whole file, sends a part and cuts the connection. */
function breakOff(response: ServerResponse, bytes: number, headers: Record<string, string> = { etag: '"one"' }): void {
  response.writeHead(200, { ...headers, 'content-length': CONTENT.length });
  response.write(CONTENT.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
}

interface Target {
  readonly path: string;
  readonly sha256: string;
  readonly retryMs: number;
}

async function target(t: TestContext): Promise<Target> {
  return {
    path: join(await temporaryDirectory(t), 'new', 'cache', 'file.pth'),
    sha256: SHA256.slice(0, 8),
    retryMs: 1,
  };
}

test('a download is checked, reported and moved to its place', async (t) => {
  const url = await serve(t, send);
  const to = await target(t);
  const seen: (readonly [number, number | null])[] = [];
  await download({ ...to, url, onProgress: (bytes, total) => seen.push([bytes, total]) });
  assert.deepEqual(await readFile(to.path), CONTENT);
  assert.deepEqual(seen.at(-1), [CONTENT.length, CONTENT.length]);
  assert.ok(seen.every(([bytes], index) => bytes > (seen[index - 1]?.[0] ?? 0)));
  assert.deepEqual(await readdir(join(to.path, '..')), ['file.pth']);
});

test('without a length the total is not known', async (t) => {
  const url = await serve(t, (_, response) => {
    response.write(CONTENT.subarray(0, 100));
    response.end(CONTENT.subarray(100));
  });
  const to = await target(t);
  let last: number | null | undefined;
  await download({ ...to, url, onProgress: (_, total) => (last = total) });
  assert.equal(last, null);
  assert.deepEqual(await readFile(to.path), CONTENT);
});

test('a connection that breaks off is resumed where it ended', async (t) => {
  const ranges: (string | undefined)[] = [];
  const url = await serve(t, (request, response) => {
    ranges.push(request.headers.range);
    if (ranges.length === 1) return breakOff(response, 100_000);
    assert.equal(request.headers['if-range'], '"one"');
    send(request, response);
  });
  const to = await target(t);
  await download({ ...to, url });
  assert.deepEqual(await readFile(to.path), CONTENT);
  assert.deepEqual(ranges, [undefined, 'bytes=100000-']);
});

test('a server that does not resume, or has another file by then, is read from the start', async (t) => {
  for (const headers of [{ etag: '"zero"' }, { etag: 'W/"weak"' }]) {
    let requests = 0;
    const url = await serve(t, (_, response) => {
      requests += 1;
      if (requests === 1) return breakOff(response, 100_000, headers);
      response.end(CONTENT);
    });
    const to = await target(t);
    await download({ ...to, url });
    assert.deepEqual(await readFile(to.path), CONTENT);
  }
});

test('a connection that always breaks off is given up', async (t) => {
  let requests = 0;
  const url = await serve(t, (_, response) => {
    requests += 1;
    breakOff(response, 1000);
  });
  const to = await target(t);
  await assert.rejects(
    download({ ...to, url }),
    (error) => error instanceof Unavailable && /broke off after 1000 of 300000 bytes/.test(error.message),
  );
  assert.equal(requests, 5);
  assert.deepEqual(await readdir(join(to.path, '..')), []);
});

test('a file with another hash is removed', async (t) => {
  const url = await serve(t, (_, response) =>
    response.setHeader('content-type', 'text/html').end('<html>log in</html>'),
  );
  const to = await target(t);
  await assert.rejects(download({ ...to, url }), {
    code: 'ERR_DOWNLOAD',
    message: new RegExp(`${url} is damaged.*not ${to.sha256}.*removed.*login page`),
  });
  assert.deepEqual(await readdir(join(to.path, '..')), []);
});

test('an abort ends the download with its reason and leaves nothing', async (t) => {
  const url = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 1000));
  });
  const to = await target(t);
  const abort = new AbortController();
  await assert.rejects(download({ ...to, url, signal: abort.signal, onProgress: () => abort.abort() }), {
    name: 'AbortError',
  });
  assert.deepEqual(await readdir(join(to.path, '..')), []);
  await assert.rejects(download({ ...to, url, signal: AbortSignal.abort(new RangeError('mine')) }), RangeError);
});

test('parts that killed processes left are removed after a day', async (t) => {
  const url = await serve(t, send);
  const to = await target(t);
  const directory = join(to.path, '..');
  await mkdir(directory, { recursive: true });
  const [old, recent] = ['.file.pth.1-aa.part', '.file.pth.2-bb.part'];
  for (const name of [old, recent, '.other.pth.1-aa.part']) await writeFile(join(directory, name), '');
  for (const name of [old, '.other.pth.1-aa.part']) await utimes(join(directory, name), 0, 0);
  await download({ ...to, url });
  assert.deepEqual((await readdir(directory)).sort(), [recent, '.other.pth.1-aa.part', 'file.pth'].sort());
});

test('downloads of one file at the same time all succeed', async (t) => {
  const url = await serve(t, send);
  const to = await target(t);
  await Promise.all(Array.from({ length: 4 }, () => download({ ...to, url })));
  assert.deepEqual(await readFile(to.path), CONTENT);
  assert.deepEqual(await readdir(join(to.path, '..')), ['file.pth']);
});

test('a cache directory that cannot be made is an ERR_FILE that names the way out', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'file'), '');
  const to = { path: join(directory, 'file', 'cache', 'weights.pth'), sha256: '00' };
  await assert.rejects(download({ ...to, url: 'http://127.0.0.1:9/' }), {
    code: 'ERR_FILE',
    message: /RESNET_TORCH_CACHE/,
  });
});

test('a damaged download of named weights leaves nothing behind', async (t) => {
  const v1 = NAMED_WEIGHTS.find(({ arch }) => arch === 'resnet50');
  assert.ok(v1);
  let requests = 0;
  const baseUrl = await serve(t, (request, response) => {
    requests += 1;
    assert.equal(request.url, `/${v1.file}`);
    response.end('not the weights');
  });
  const cache = await temporaryDirectory(t);
  await assert.rejects(resolveWeights('imagenet-v1', 'resnet50', {}, { baseUrl, cache }), {
    code: 'ERR_DOWNLOAD',
    message: /not 0676ba61/,
  });
  assert.deepEqual(await readdir(cache), []);
  assert.equal(requests, 1);
});

test('what is in the cache is checked when it was touched, by the whole hash of the download', async (t) => {
  const cache = await temporaryDirectory(t);
  let requests = 0;
  const baseUrl = await serve(t, (request, response) => {
    requests += 1;
    send(request, response);
  });
  const preprocessing = { resize: 8, crop: 8 };
  const file = `small-${SHA256.slice(0, 8)}.pth`;
  const store = { baseUrl, cache, named: [{ arch: 'resnet50', name: 'imagenet-v1', file, preprocessing } as const] };
  const path = join(cache, file);
  const record = `${path}.sha256.json`;
  const resolved = { path, preprocessing, label: 'imagenet-v1' };
  assert.deepEqual(await resolveWeights('imagenet-v1', 'resnet50', {}, store), resolved);
  const written = JSON.parse(await readFile(record, 'utf8'));
  assert.equal(written.sha256, SHA256);
  assert.deepEqual(await resolveWeights('imagenet-v1', 'resnet50', {}, store), resolved);
  assert.equal(requests, 1);

  // Touched, and the same: hashed, and written down anew.
  await utimes(path, 1, 1);
  assert.deepEqual(await resolveWeights('imagenet-v1', 'resnet50', {}, store), resolved);
  assert.equal(JSON.parse(await readFile(record, 'utf8')).mtimeMs, 1000);

  // The record says another hash: nothing else is that file, whatever digits its name has.
  const changed = Buffer.from(CONTENT);
  changed[100] = 0;
  await writeFile(path, changed);
  const refused = { code: 'ERR_WEIGHTS_FORMAT', message: /is not the file that was downloaded.*Remove it/ };
  await assert.rejects(resolveWeights('imagenet-v1', 'resnet50', {}, store), refused);
  await rm(record);
  await assert.rejects(resolveWeights('imagenet-v1', 'resnet50', {}, store), refused);
  await assert.rejects(resolveWeights('imagenet-v1', 'resnet50', { signal: AbortSignal.abort() }, store), {
    name: 'AbortError',
  });

  // Put there by hand, or with a record that cannot be read.
  for (const text of [undefined, '', 'null', '{"sha256":"00","bytes":1,"mtimeMs":1}']) {
    await writeFile(path, CONTENT);
    if (text !== undefined) await writeFile(record, text);
    assert.deepEqual(await resolveWeights('imagenet-v1', 'resnet50', {}, store), resolved);
    assert.equal(JSON.parse(await readFile(record, 'utf8')).sha256, SHA256);
  }
  assert.equal(requests, 1);
});

test('named weights that cannot be had are an error with the URL and the ways out', async (t) => {
  const cache = await temporaryDirectory(t);
  const missing = await serve(t, (_, response) => response.writeHead(404).end());
  const message = (reason: string) =>
    new RegExp(
      `imagenet-v2 could not be downloaded from http://127.*/resnet50-11ad3fa6\\.pth: ${reason}.*--weights FILE.*${cache}.*--weights none`,
    );
  await assert.rejects(resolveWeights('imagenet-v2', 'resnet50', {}, { baseUrl: missing, cache }), {
    code: 'ERR_WEIGHTS_UNAVAILABLE',
    message: message('the server answered 404 Not Found'),
  });
  // A port that was free a moment ago.
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(resolveWeights('imagenet-v2', 'resnet50', {}, { baseUrl: `http://127.0.0.1:${port}/`, cache }), {
    code: 'ERR_WEIGHTS_UNAVAILABLE',
    message: message('the server was not reached \\(.*ECONNREFUSED'),
  });
});

test('a file, none, and what is neither', async (t) => {
  const directory = await temporaryDirectory(t);
  assert.deepEqual(await resolveWeights('none', 'resnet50'), { path: null, preprocessing: null, label: 'random' });
  const path = join(directory, 'mine.pth');
  await writeFile(path, '');
  assert.deepEqual(await resolveWeights(path, 'resnet50'), { path, preprocessing: null, label: path });
  const known = join(directory, 'resnet50-11ad3fa6.pth');
  await writeFile(known, '');
  assert.deepEqual((await resolveWeights(known, 'resnet50')).preprocessing, { resize: 232, crop: 224 });
  await assert.rejects(resolveWeights('imagenet-v3', 'resnet50'), {
    code: 'ERR_FILE',
    message: /No weights imagenet-v3.*Did you mean imagenet-v[12]\?/,
  });
  await assert.rejects(resolveWeights(join(directory, 'absent.pth'), 'resnet50'), {
    code: 'ERR_FILE',
    message: /absent\.pth: there is no such file/,
  });
});

test("each architecture has torchvision's weights, by its own name or the model's", async (t) => {
  const asked: string[] = [];
  const baseUrl = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(404).end();
  });
  const store = { baseUrl, cache: await temporaryDirectory(t) };
  const refused = { code: 'ERR_WEIGHTS_UNAVAILABLE' };
  await assert.rejects(resolveWeights('imagenet-v1', 'resnet18', {}, store), refused);
  await assert.rejects(resolveWeights('resnet18:imagenet-v1', 'resnet18', {}, store), refused);
  await assert.rejects(resolveWeights('resnext101_64x4d:imagenet-v1', 'resnext101_64x4d', {}, store), refused);
  await assert.rejects(resolveWeights('imagenet-v2', 'wide_resnet101_2', {}, store), refused);
  assert.deepEqual(asked, [
    '/resnet18-f37072fd.pth',
    '/resnet18-f37072fd.pth',
    '/resnext101_64x4d-173b62eb.pth',
    '/wide_resnet101_2-d733dc28.pth',
  ]);
});

test('weights that an architecture does not have, or of another, are refused by name', async () => {
  await assert.rejects(resolveWeights('imagenet-v2', 'resnet34'), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /no weights imagenet-v2 of a resnet34: it has imagenet-v1\./,
  });
  await assert.rejects(resolveWeights('resnet101:imagenet-v2', 'resnet50'), {
    code: 'ERR_SHAPE_MISMATCH',
    message: /weights of a resnet101, and the model is a resnet50\..*--arch resnet101/,
  });
  await assert.rejects(resolveWeights('resnet101:imagenet-v3', 'resnet101'), {
    code: 'ERR_FILE',
    message: /Did you mean resnet101:imagenet-v[12]\?/,
  });
});

test('every architecture has weights, the newest of which it starts from', () => {
  for (const arch of ARCHITECTURE_NAMES) {
    const newest = defaultWeights(arch);
    const { file } =
      NAMED_WEIGHTS.find((weights) => weights.arch === arch && weights.name === newest) ?? assert.fail(arch);
    assert.match(file, new RegExp(`^${arch}-[0-9a-f]{8}\\.pth$`));
  }
  assert.deepEqual(
    ARCHITECTURE_NAMES.filter((arch) => defaultWeights(arch) === 'imagenet-v1'),
    ['resnet18', 'resnet34', 'resnext101_64x4d'],
  );
});
