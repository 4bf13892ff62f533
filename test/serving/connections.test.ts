import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { head, RawConnection } from './support/raw.js';
import { FakePredictor, form, jpegLike, post, type Served, serveFake } from './support/serving.js';
import { gate } from './support/watch.js';

const quick = { timeoutMs: 200 };

describe('a client that is slow', { timeout: 60_000 }, () => {
  it('hears 408 when its body does not arrive', async (t) => {
    const { port } = await serveFake(t, quick);
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 100 }));
    connection.write(jpegLike.subarray(0, 10));
    const heard = await connection.closed();
    assert.match(heard, /^HTTP\/1\.1 408 .*urn:resnet-torch:problem:slow-request/s);
  });

  it('hears 408 when its body arrives byte by byte', async (t) => {
    const { port } = await serveFake(t, quick);
    const connection = new RawConnection(port);
    connection.write(head({ 'Transfer-Encoding': 'chunked' }));
    const drip = setInterval(() => connection.write('1\r\nx\r\n'), 20);
    const heard = await connection.closed();
    clearInterval(drip);
    assert.match(heard, /^HTTP\/1\.1 408 /);
  });

  it('hears 408 when its headers do not arrive', async (t) => {
    const { port } = await serveFake(t, quick);
    const connection = new RawConnection(port);
    connection.write('POST /v1/predict HTTP/1.1\r\nHost: a\r\n');
    assert.match(await connection.closed(), /^HTTP\/1\.1 408 .*urn:resnet-torch:problem:slow-request/s);
  });
});

describe('a client that speaks no HTTP', { timeout: 60_000 }, () => {
  it('hears 400', async (t) => {
    const { port } = await serveFake(t);
    const connection = new RawConnection(port);
    connection.write('\x16\x03\x01 hello\r\n\r\n');
    assert.match(await connection.closed(), /^HTTP\/1\.1 400 .*application\/problem\+json.*bad-request/s);
  });

  it('hears 400 without a host', async (t) => {
    const { port } = await serveFake(t);
    const connection = new RawConnection(port);
    connection.write('GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n');
    assert.match(await connection.closed(), /^HTTP\/1\.1 400 .*application\/problem\+json.*needs a Host/s);
  });

  it('hears 417 for what it cannot expect', async (t) => {
    const { port } = await serveFake(t);
    const connection = new RawConnection(port);
    connection.write(head({ Expect: 'a miracle', Connection: 'close' }));
    assert.match(await connection.closed(), /^HTTP\/1\.1 417 .*expectation-failed/s);
  });

  it('hears 431 for headers that are too long', async (t) => {
    const { port } = await serveFake(t);
    const connection = new RawConnection(port);
    connection.write(head({ 'X-Long': 'x'.repeat(20_000) }));
    assert.match(await connection.closed(), /^HTTP\/1\.1 431 .*headers-too-large/s);
  });
});

describe('a body that is refused', { timeout: 60_000 }, () => {
  it('hears why while it still sends, and the connection goes on', async (t) => {
    const { port } = await serveFake(t, { maxBodyBytes: 1000 });
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 300_000 }));
    await connection.hears('body-too-large');
    connection.write(Buffer.alloc(300_000));
    connection.write(head({}, 'GET /healthz HTTP/1.1'));
    await connection.hears('"ok"');
    connection.destroy();
  });

  it('may be without a length', async (t) => {
    const { port } = await serveFake(t, { maxBodyBytes: 1000 });
    const connection = new RawConnection(port);
    connection.write(head({ 'Transfer-Encoding': 'chunked' }));
    connection.write(`7d0\r\n${'x'.repeat(2000)}\r\n`);
    assert.match(await connection.hears('body-too-large'), /^HTTP\/1\.1 413 /);
    connection.destroy();
  });
});

describe('a client that leaves', { timeout: 60_000 }, () => {
  it('takes its prediction along, and its bytes', async (t) => {
    const { port, predictor, watch, entries, metric, errors } = await serveFake(t);
    predictor.gate = () => new Promise(() => undefined);
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': jpegLike.length }));
    connection.write(jpegLike);
    await predictor.watch.until(() => predictor.asked.length === 1);
    assert.equal(await metric('resnet_torch_body_bytes'), jpegLike.length);
    assert.equal(await metric('resnet_torch_unanswered_images{model="bees"}'), 1);
    connection.destroy();
    await predictor.watch.until(() => predictor.asked[0]?.signal?.aborted === true);
    await watch.until(() => entries.some(({ status }) => status === 499));
    assert.equal(await metric('resnet_torch_body_bytes'), 0);
    assert.equal(await metric('resnet_torch_unanswered_images{model="bees"}'), 0);
    assert.deepEqual(errors, []);
  });

  it('may leave in the middle of its body', async (t) => {
    const { port, watch, entries, metric, errors } = await serveFake(t);
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 1000, Expect: '100-continue' }));
    await connection.hears('100 Continue');
    connection.write(jpegLike);
    while ((await metric('resnet_torch_body_bytes')) !== jpegLike.length);
    connection.destroy();
    await watch.until(() => entries.some(({ status }) => status === 499));
    assert.equal(await metric('resnet_torch_body_bytes'), 0);
    assert.deepEqual(errors, []);
  });

  it('takes along what it asked before it was answered, too', async (t) => {
    const { port, predictor, watch, entries, metric } = await serveFake(t);
    predictor.gate = () => new Promise(() => undefined);
    const connection = new RawConnection(port);
    const one = Buffer.concat([Buffer.from(head({ 'Content-Length': jpegLike.length })), jpegLike]);
    connection.write(Buffer.concat([one, one, Buffer.from(head({}, 'GET /healthz HTTP/1.1'))]));
    await predictor.watch.until(() => predictor.asked.length === 2);
    connection.destroy();
    const own = () => entries.filter(({ url }) => url !== '/metrics');
    await watch.until(() => own().length === 3);
    assert.deepEqual(
      own().map(({ status }) => status),
      [499, 499, 499],
    );
    await predictor.watch.until(() => predictor.asked.every(({ signal }) => signal?.aborted === true));
    assert.equal(await metric('resnet_torch_body_bytes'), 0);
    assert.equal(await metric('resnet_torch_unanswered_images{model="bees"}'), 0);
  });
});

describe('more than can be borne', { timeout: 60_000 }, () => {
  it('is told to come back, before its body is read, where images wait already', async (t) => {
    const { port, predictor } = await serveFake(t, { maxQueue: 4 });
    predictor.queue.waiting = 4;
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 100 }));
    assert.match(await connection.hears('overloaded'), /^HTTP\/1\.1 429 .*retry-after: 1/is);
    connection.destroy();
  });

  it('is told so where bodies fill the memory that they may have, which is free again afterwards', async (t) => {
    const { url, predictor, metric } = await serveFake(t, { maxBodyBytes: jpegLike.length });
    const { passed, open } = gate();
    predictor.gate = () => passed;
    const held = Array.from({ length: 16 }, () => post(`${url}v1/predict`, jpegLike, 'image/jpeg'));
    await predictor.watch.until(() => predictor.asked.length === 16);
    assert.equal((await post(`${url}v1/predict`, jpegLike, 'image/jpeg')).status, 429);
    assert.equal(await metric('resnet_torch_body_bytes'), 16 * jpegLike.length);
    open();
    for (const { status } of await Promise.all(held)) assert.equal(status, 200);
    assert.equal(await metric('resnet_torch_body_bytes'), 0);
    assert.equal((await post(`${url}v1/predict`, jpegLike, 'image/jpeg')).status, 200);
  });

  it('is told so where more images would be under way than may be', async (t) => {
    const { url, predictor, metric } = await serveFake(t, { maxQueue: 4, maxImages: 3 });
    const { passed, open } = gate();
    predictor.gate = () => passed;
    const held = post(`${url}v1/predict`, form([jpegLike, jpegLike]));
    await predictor.watch.until(() => predictor.asked.length === 2);
    assert.equal((await post(`${url}v1/predict`, form([jpegLike, jpegLike, jpegLike]))).status, 429);
    assert.equal(await metric('resnet_torch_unanswered_images{model="bees"}'), 2);
    open();
    assert.equal((await held).status, 200);
    assert.equal((await post(`${url}v1/predict`, form([jpegLike, jpegLike, jpegLike]))).status, 200);
    assert.equal(await metric('resnet_torch_unanswered_images{model="bees"}'), 0);
  });
});

/** More than the system keeps of what is sent to somebody who does not read. */
const LONG_LABEL = 'x'.repeat(40e6);

/** A client that asks for a long answer, and reads nothing of it before it is resumed. */
async function slowReader({ port, predictor }: { port: number; predictor: FakePredictor }): Promise<RawConnection> {
  const asked = predictor.asked.length;
  const connection = new RawConnection(port);
  connection.socket.pause();
  connection.write(head({ 'Content-Length': jpegLike.length }));
  connection.write(jpegLike);
  await predictor.watch.until(() => predictor.asked.length > asked);
  return connection;
}

describe('a client that does not read its answer', { timeout: 60_000 }, () => {
  const predicts = ({ entries }: Served) =>
    entries.filter(({ url }) => url === '/v1/predict').map(({ status }) => status);
  const shares = ({ metric }: Served) =>
    Promise.all(
      ['answer_bytes', 'body_bytes', 'unanswered_images{model="bees"}'].map((name) => metric(`resnet_torch_${name}`)),
    );

  it('is cut off in time', async (t) => {
    const served = await serveFake(t, { timeoutMs: 300 }, new FakePredictor([LONG_LABEL]));
    const connection = await slowReader(served);
    await served.watch.until(() => predicts(served).length > 0);
    assert.deepEqual(predicts(served), [499]);
    connection.socket.resume();
    assert.ok((await connection.closed()).length < LONG_LABEL.length, 'it did not get the whole');
    assert.equal(await served.metric('resnet_torch_connections_closed_total{reason="slow-reader"}'), 1);
    assert.deepEqual(await shares(served), [0, 0, 0]);
  });

  it('is cut off in time where the answer had to wait for another one', async (t) => {
    const served = await serveFake(t, { timeoutMs: 300 }, new FakePredictor(['short', LONG_LABEL]));
    const { predictor } = served;
    const { passed, open } = gate();
    predictor.gate = () => (predictor.asked.length === 1 ? passed : Promise.resolve());
    const connection = new RawConnection(served.port);
    connection.socket.pause();
    for (const topK of [1, 2]) {
      connection.write(head({ 'Content-Length': jpegLike.length }, `POST /v1/predict?topK=${topK} HTTP/1.1`));
      connection.write(jpegLike);
    }
    while (((await served.metric('resnet_torch_answer_bytes')) ?? 0) < LONG_LABEL.length);
    open();
    const outcome = () => served.entries.filter(({ method }) => method === 'POST').map(({ status }) => status);
    await served.watch.until(() => outcome().length === 2);
    assert.deepEqual(outcome(), [200, 499]);
    connection.destroy();
  });

  it('holds its share of memory and of the queue until it has', async (t) => {
    const served = await serveFake(t, { timeoutMs: 60_000, maxQueue: 1 }, new FakePredictor([LONG_LABEL]));
    const { url } = served;
    const connection = await slowReader(served);
    while (((await served.metric('resnet_torch_answer_bytes')) ?? 0) < LONG_LABEL.length);
    assert.deepEqual((await shares(served)).slice(1), [jpegLike.length, 1]);
    assert.equal((await post(`${url}v1/predict`, jpegLike, 'image/jpeg')).status, 429);
    connection.socket.resume();
    await served.watch.until(() => predicts(served).length === 2);
    assert.deepEqual(predicts(served), [429, 200]);
    assert.deepEqual(await shares(served), [0, 0, 0]);
    connection.destroy();
  });

  it('gets the whole answer where it reads in time, even while the server shuts down', async (t) => {
    const served = await serveFake(t, { shutdownMs: 60_000, timeoutMs: 60_000 }, new FakePredictor([LONG_LABEL]));
    const connection = await slowReader(served);
    while (((await served.metric('resnet_torch_answer_bytes')) ?? 0) < LONG_LABEL.length);
    const closed = served.server.close();
    connection.socket.resume();
    const heard = await connection.closed();
    assert.ok(heard.endsWith('}'), 'to its end');
    assert.ok(heard.length > LONG_LABEL.length);
    await closed;
  });
});

describe('connections', { timeout: 60_000 }, () => {
  it('are counted, and closed where there are too many', async (t) => {
    const { port, predictor } = await serveFake(t, { maxConnections: 2 });
    const { passed, open } = gate();
    predictor.gate = () => passed;
    const held = [new RawConnection(port), new RawConnection(port)];
    for (const one of held) one.write(Buffer.concat([Buffer.from(head({ 'Content-Length': 64 })), jpegLike]));
    await predictor.watch.until(() => predictor.asked.length === 2);
    const third = new RawConnection(port);
    third.write(head({}, 'GET /healthz HTTP/1.1'));
    assert.equal(await third.closed(), '');
    open();
    for (const one of held) assert.match(await one.hears('"bees"'), /^HTTP\/1\.1 200 /);
    held[0]?.write(head({}, 'GET /metrics HTTP/1.1'));
    const heard = await held[0]?.hears('resnet_torch_connections_closed_total{reason="slow-reader"} 0');
    assert.match(
      heard ?? '',
      /resnet_torch_connections 2\n.*resnet_torch_connections_closed_total{reason="limit"} 1\n/s,
    );
    for (const one of held) one.destroy();
  });

  it('make room when they wait for nothing', async (t) => {
    const { port } = await serveFake(t, { maxConnections: 2 });
    const idle = new RawConnection(port);
    idle.write(head({}, 'GET /healthz HTTP/1.1'));
    await idle.hears('"ok"');
    for (let i = 0; i < 4; i++) {
      const next = new RawConnection(port);
      next.write(head({}, 'GET /healthz HTTP/1.1'));
      await next.hears('"ok"');
    }
    await idle.closed();
  });

  it('are closed when no further request comes', async (t) => {
    const { port } = await serveFake(t, { keepAliveMs: 50 });
    const connection = new RawConnection(port);
    connection.write(head({}, 'GET /healthz HTTP/1.1'));
    await connection.hears('"ok"');
    await connection.closed();
  });

  it('do not outlive a refusal, though the client keeps its side open', async (t) => {
    const { port, metric } = await serveFake(t);
    const connection = new RawConnection(port, { allowHalfOpen: true });
    connection.write('no HTTP\r\n\r\n');
    assert.match(await connection.ended(), /^HTTP\/1\.1 400 .*bad-request/s);
    // The other one is that which asks.
    while ((await metric('resnet_torch_connections')) !== 1);
    connection.destroy();
  });

  it('that never asked anything do not hold up a shutdown', async (t) => {
    const { port, server, metric } = await serveFake(t, { shutdownMs: 600_000, timeoutMs: 600_000 });
    const silent = new RawConnection(port);
    while (((await metric('resnet_torch_connections')) ?? 0) < 2);
    await server.close();
    await silent.closed();
  });
});

describe('what is told of a request', { timeout: 60_000 }, () => {
  it('may fail, or its promise, without harm', async (t) => {
    const reasons = [new Error('thrown'), new Error('rejected')];
    let told = 0;
    const { url, errors, watch, entries } = await serveFake(t, {
      onAccess: (() => {
        if (told++ === 0) throw reasons[0];
        return Promise.reject(reasons[1]);
      }) as () => void,
    });
    for (let i = 0; i < 2; i++) await (await fetch(`${url}healthz`)).text();
    await watch.until(() => entries.length === 2);
    await new Promise(setImmediate);
    assert.deepEqual(errors, reasons);
  });
});
