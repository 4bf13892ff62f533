import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { head, RawConnection } from './support/raw.js';
import { jpegLike, post, serveFake } from './support/serving.js';

const quick = { timeoutMs: 200 };

/** Waits until something holds, which it does soon. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return;
    await sleep(10);
  }
  assert.fail('it did not come to hold');
}

describe('a client that is slow', () => {
  it('hears 408 when its body does not arrive', async (t) => {
    const { port, url } = await serveFake(t, quick);
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 100 }));
    connection.write(jpegLike.subarray(0, 10));
    const heard = await connection.closed();
    assert.match(heard, /^HTTP\/1\.1 408 .*urn:resnet-torch:problem:slow-request/s);
    assert.equal((await post(`${url}v1/predict`, jpegLike, 'image/jpeg')).status, 200);
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

describe('a client that speaks no HTTP', () => {
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

describe('a body that is refused', () => {
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

describe('a client that leaves', () => {
  it('takes its prediction along, and its bytes', async (t) => {
    const statuses: number[] = [];
    const { port, url, predictor, errors } = await serveFake(t, { onAccess: ({ status }) => statuses.push(status) });
    predictor.gate = () => new Promise(() => undefined);
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': jpegLike.length }));
    connection.write(jpegLike);
    await until(() => predictor.asked.length === 1);
    assert.match(
      await (await fetch(`${url}metrics`)).text(),
      new RegExp(`resnet_torch_body_bytes ${jpegLike.length}\n`),
    );
    connection.destroy();
    await until(() => predictor.asked[0]?.signal?.aborted === true);
    await until(() => statuses.includes(499));
    assert.match(await (await fetch(`${url}metrics`)).text(), /resnet_torch_body_bytes 0\n/);
    assert.deepEqual(errors, []);
  });

  it('may leave in the middle of its body', async (t) => {
    const statuses: number[] = [];
    const { port, url, errors } = await serveFake(t, { onAccess: ({ status }) => statuses.push(status) });
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 1000 }));
    connection.write(jpegLike);
    const held = new RegExp(`resnet_torch_body_bytes ${jpegLike.length}\n`);
    await until(async () => held.test(await (await fetch(`${url}metrics`)).text()));
    connection.destroy();
    await until(() => statuses.includes(499));
    assert.deepEqual(errors, []);
  });
});

describe('more than can be borne', () => {
  it('is told to come back, before its body is read, where images wait already', async (t) => {
    const { port, predictor } = await serveFake(t, { maxQueue: 4 });
    predictor.queue.waiting = 4;
    const connection = new RawConnection(port);
    connection.write(head({ 'Content-Length': 100 }));
    assert.match(await connection.hears('overloaded'), /^HTTP\/1\.1 429 .*retry-after: 1/is);
    connection.destroy();
  });

  it('is told so where bodies fill the memory that they may have', async (t) => {
    const { url, predictor } = await serveFake(t, { maxBodyBytes: jpegLike.length });
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    predictor.gate = () => opened;
    const held = Array.from({ length: 16 }, () => post(`${url}v1/predict`, jpegLike, 'image/jpeg'));
    await until(() => predictor.asked.length === 16);
    assert.equal((await post(`${url}v1/predict`, jpegLike, 'image/jpeg')).status, 429);
    open();
    for (const { status } of await Promise.all(held)) assert.equal(status, 200);
    assert.equal((await post(`${url}v1/predict`, jpegLike, 'image/jpeg')).status, 200);
  });
});
