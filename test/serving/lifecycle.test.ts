import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { describe, it } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { createServer, type ServerOptions } from '../../src/serving/index.js';
import { PredictionServer } from '../../src/serving/server.js';
import { invalid } from '../support/invalid.js';
import { head, RawConnection } from './support/raw.js';
import { FakePredictor, jpegLike, post, read, serve, serveFake } from './support/serving.js';
import { gate } from './support/watch.js';

const TYPE = 'image/jpeg';

describe('a server that starts', () => {
  it('is alive, but not ready before its models are loaded', async (t) => {
    const loading = gate();
    const load = async () => {
      await loading.passed;
      return new FakePredictor();
    };
    const { url, server } = await serve(t, { load, wait: false });
    assert.equal((await fetch(`${url}healthz`)).status, 200);
    for (const answer of [await read(await fetch(`${url}readyz`)), await post(`${url}v1/predict`, jpegLike, TYPE)]) {
      assert.equal(answer.status, 503);
      assert.equal(answer.body.type, 'urn:resnet-torch:problem:not-ready');
      assert.ok(answer.headers.has('retry-after'));
    }
    loading.open();
    await server.ready;
    assert.equal((await fetch(`${url}readyz`)).status, 200);
    assert.equal((await post(`${url}v1/predict`, jpegLike, TYPE)).status, 200);
  });

  it('says why a model cannot be loaded', async (t) => {
    const reason = new Error('it is not there');
    const { url, server } = await serve(t, { load: () => Promise.reject(reason), wait: false });
    await assert.rejects(server.ready, reason);
    assert.equal((await fetch(`${url}readyz`)).status, 503);
  });

  it('can be closed while it loads', async (t) => {
    const predictor = new FakePredictor();
    const loading = gate();
    const load = async () => {
      await loading.passed;
      return predictor;
    };
    const { server } = await serve(t, { load, wait: false });
    const closed = server.close();
    loading.open();
    await closed;
    await assert.rejects(server.ready, { code: 'ERR_DISPOSED' });
    assert.ok(predictor.disposed);
  });

  it('says when its address is taken', async (t) => {
    const { port } = await serveFake(t);
    await using other = await PredictionServer.open({ models: { a: 'a' } }, async () => new FakePredictor());
    await assert.rejects(other.listen({ port }), { code: 'ERR_FILE', message: /another program listens there/ });
  });

  it('refuses options that make no sense', async () => {
    const cases: readonly (readonly [options: object, words: string])[] = [
      [{ models: {} }, 'models is empty'],
      [{ models: [] }, 'models must be an object'],
      [{ models: { 'a\nb': 'x' } }, 'cannot name a model'],
      [{ models: { a: '' } }, 'The path of the model a is missing'],
      [{ models: { a: 'a' }, maxImages: 0 }, 'maxImages must be a whole number'],
      [{ models: { a: 'a' }, maxImages: 9, maxQueue: 8 }, 'only 8 images may wait'],
      [{ models: { a: 'a' }, maxBodyByte: 10 }, 'Did you mean maxBodyBytes'],
    ];
    for (const [options, words] of cases) await assert.rejects(createServer(options as ServerOptions), invalid(words));
  });
});

describe('a reload', () => {
  it('takes the new model for new requests, and lets the old one end its own', async (t) => {
    const old = new FakePredictor(['old']);
    const fresh = new FakePredictor(['fresh']);
    const models = [old, fresh];
    const load = async () => models.shift() ?? new FakePredictor();
    const { url, server } = await serve(t, { load });
    const held = gate();
    old.gate = () => held.passed;
    const first = post(`${url}v1/predict`, jpegLike, TYPE);
    await old.watch.until(() => old.asked.length === 1);
    assert.deepEqual(await server.reload(), { reloaded: ['bees'], failed: [] });
    const second = await post(`${url}v1/predict`, jpegLike, TYPE);
    assert.equal(second.body.images?.[0]?.predictions[0]?.label, 'fresh');
    assert.equal(old.disposed, false, 'it still works');
    held.open();
    const { status, body } = await first;
    assert.equal(status, 200);
    assert.equal(body.images?.[0]?.predictions[0]?.label, 'old');
    await old.watch.until(() => old.disposed);
    const text = await (await fetch(`${url}metrics`)).text();
    assert.match(text, /resnet_torch_batched_images_total\{model="bees"\} 4\n/, 'two warm-ups, two requests');
  });

  it('keeps what it has where the new one fails, to load or to predict', async (t) => {
    const broken = new FakePredictor();
    broken.predict = () => Promise.reject(new Error('not finite'));
    const loads = [
      async () => new FakePredictor(['good']),
      () => Promise.reject(new Error('gone')),
      async () => broken,
    ];
    const load = () => (loads.shift() ?? (async () => new FakePredictor()))();
    const { url, server } = await serve(t, { load });
    for (const message of ['gone', 'not finite']) {
      const { reloaded, failed } = await server.reload();
      assert.deepEqual(reloaded, []);
      assert.equal(failed[0]?.model, 'bees');
      assert.match(String(failed[0]?.error), new RegExp(message));
      const answer = await post(`${url}v1/predict`, jpegLike, TYPE);
      assert.equal(answer.body.images?.[0]?.predictions[0]?.label, 'good');
    }
    assert.ok(broken.disposed);
  });

  it('drops no request of many, however often it happens', async (t) => {
    const all: FakePredictor[] = [];
    const load = async () => {
      const predictor = new FakePredictor();
      // Some are answered at once, some after others.
      predictor.gate = async () => {
        for (let turns = predictor.asked.length % 7; turns > 0; turns--) await immediate();
      };
      all.push(predictor);
      return predictor;
    };
    const { url, server, watch, errors } = await serve(t, { load });
    let isOver = false;
    const statuses: number[] = [];
    const clients = Array.from({ length: 8 }, async () => {
      while (!isOver) statuses.push((await post(`${url}v1/predict`, jpegLike, TYPE)).status);
    });
    let reloads = 0;
    for (; reloads < 20 || statuses.length < 100; reloads++) {
      const before = statuses.length;
      await Promise.all([server.reload(), watch.until(() => statuses.length > before)]);
    }
    isOver = true;
    await Promise.all(clients);
    assert.ok(statuses.every((status) => status === 200));
    assert.deepEqual(errors, []);
    assert.equal(all.length, reloads + 1);
    for (const predictor of all.slice(0, -1)) await predictor.watch.until(() => predictor.disposed);
    assert.equal(all.at(-1)?.disposed, false);
  });
});

describe('a server that shuts down', () => {
  it('ends what runs, and takes nothing more', async (t) => {
    const { url, port, server, predictor } = await serveFake(t, { shutdownMs: 5000 });
    const held = gate();
    predictor.gate = () => held.passed;
    const running = post(`${url}v1/predict`, jpegLike, TYPE);
    await predictor.watch.until(() => predictor.asked.length === 1);
    const kept = new RawConnection(port);
    kept.write(head({}, 'GET /healthz HTTP/1.1'));
    await kept.hears('"ok"');
    kept.write(head({ 'Content-Length': jpegLike.length, Expect: '100-continue' }));
    await kept.hears('100 Continue');
    const closing = server.close();
    await assert.rejects(fetch(`${url}readyz`), 'no new connection is taken');
    // A request whose headers had come before still runs.
    kept.write(jpegLike);
    await predictor.watch.until(() => predictor.asked.length === 2);
    assert.equal(predictor.disposed, false);
    held.open();
    const { status, headers } = await running;
    assert.equal(status, 200);
    assert.equal(headers.get('connection'), 'close');
    assert.equal((await kept.closed()).match(/HTTP\/1\.1 200 /g)?.length, 2);
    await closing;
    assert.equal(predictor.disposed, true);
  });

  it('tells further requests of a connection that it does', async (t) => {
    const { port, url, server, predictor } = await serveFake(t);
    const held = gate();
    predictor.gate = () => held.passed;
    const running = post(`${url}v1/predict`, jpegLike, TYPE);
    const late = new RawConnection(port);
    // What comes in one piece is read at once, so that the beginning of the second is there when the first is answered.
    late.write(`${head({}, 'GET /healthz HTTP/1.1')}POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n`);
    await late.hears('"ok"');
    await predictor.watch.until(() => predictor.asked.length === 1);
    const closing = server.close();
    late.write('Content-Length: 1\r\nContent-Type: image/png\r\n\r\n');
    assert.match(await late.closed(), /HTTP\/1\.1 503 .*shutting-down/s);
    held.open();
    assert.equal((await running).status, 200);
    await closing;
  });

  it('waits for nobody longer than it was told to', async (t) => {
    const { port, url, server, predictor } = await serveFake(t, { shutdownMs: 100 });
    predictor.gate = () => new Promise(() => undefined);
    const running = post(`${url}v1/predict`, jpegLike, TYPE).then(
      ({ status }) => status,
      () => 'cut',
    );
    const slow = new RawConnection(port);
    slow.write(head({ 'Content-Length': 100 }));
    await predictor.watch.until(() => predictor.asked.length === 1);
    await server.close();
    assert.equal(predictor.disposed, true);
    assert.ok([503, 'cut'].includes(await running));
    await slow.closed();
  });
});

describe('a server within another', () => {
  it('answers by its handler', async (t) => {
    const predictor = new FakePredictor();
    await using server = await PredictionServer.open({ models: { a: 'a' } }, async () => predictor);
    await server.ready;
    const outer = createHttpServer(server.handler);
    t.after(() => outer.close());
    await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
    const { port } = outer.address() as { port: number };
    assert.equal((await post(`http://127.0.0.1:${port}/v1/predict`, jpegLike, TYPE)).status, 200);
    outer.closeAllConnections();
  });
});
