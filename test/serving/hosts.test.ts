import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { describe, it } from 'node:test';
import { isAllowedHost } from '../../src/serving/hosts.js';
import { createServer, type ServerOptions } from '../../src/serving/index.js';
import { PredictionServer } from '../../src/serving/server.js';
import { invalid } from '../support/invalid.js';
import { head, RawConnection } from './support/raw.js';
import { FakePredictor, jpegLike, serveFake } from './support/serving.js';

/** The status and the body of a prediction that is asked of a port under the names given, each in a header of its own. */
async function asked(port: number, ...hosts: readonly string[]): Promise<string> {
  const connection = new RawConnection(port);
  const lines = hosts.map((host) => `Host: ${host}\r\n`).join('');
  const rest = head({ 'Content-Length': jpegLike.length, Connection: 'close' }).replace(/Host: .*\r\n/, lines);
  connection.write(Buffer.concat([Buffer.from(rest, 'latin1'), jpegLike]));
  return connection.closed();
}

async function statusOf(port: number, host: string): Promise<number> {
  return Number((await asked(port, host)).slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
}

const OWN = ['127.0.0.1', '127.0.0.1:8080', 'localhost', 'LOCALHOST:1', 'app.localhost', 'localhost.', '[::1]:80'];
const STRANGE = [
  'evil.example',
  'evil.example:80',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'evil.example#localhost',
  'a@localhost',
  'localhost@evil.example',
  'xlocalhost',
  '192.168.0.7',
  '0.0.0.0',
  '[::2]',
  '127.0.0.1:80:80',
  '',
];

describe('a server of this machine alone', () => {
  it('is called by names of this machine', async (t) => {
    const { port } = await serveFake(t);
    for (const host of OWN) assert.equal(await statusOf(port, host), 200, host);
  });

  it('refuses all other names, so that no page can give it its own', async (t) => {
    const { port, predictor } = await serveFake(t);
    for (const host of STRANGE) assert.equal(await statusOf(port, host), 421, host);
    assert.match(
      await asked(port, 'evil.example'),
      /problem\+json.*"type":"urn:resnet-torch:problem:wrong-host".*--allowed-hosts/s,
    );
    assert.equal(predictor.asked.length, 0);
  });

  it('refuses them at all addresses, known or not', async (t) => {
    const { port } = await serveFake(t);
    for (const line of ['GET / HTTP/1.1', 'GET /metrics HTTP/1.1', 'GET /v1/model HTTP/1.0', 'GET /nowhere HTTP/1.1']) {
      const connection = new RawConnection(port);
      connection.write(head({ Host: 'evil.example', Connection: 'close' }, line));
      assert.match(await connection.closed(), /^HTTP\/1\.1 421 /, line);
    }
  });

  it('refuses two names at once', async (t) => {
    const { port } = await serveFake(t);
    assert.match(await asked(port, 'localhost', 'evil.example'), /^HTTP\/1\.1 400 /);
  });

  it('takes the names that it is told to take', async (t) => {
    const { port } = await serveFake(t, {
      allowedHosts: ['Vision.Example.com', '.bees.example', 'münchen.example', '[::2]'],
    });
    const taken = ['vision.example.com', 'VISION.example.com:443', 'bees.example', 'a.b.bees.example', '[::2]:1'];
    for (const host of [...taken, 'xn--mnchen-3ya.example', ...OWN])
      assert.equal(await statusOf(port, host), 200, host);
    const refused = ['example.com', 'x.vision.example.com', 'wildbees.example', 'bees.example.evil', 'evil.example'];
    for (const host of refused) assert.equal(await statusOf(port, host), 421, host);
  });

  it('takes any name where it is told so', async (t) => {
    const { port } = await serveFake(t, { allowedHosts: ['*'] });
    for (const host of ['evil.example', 'a@b']) assert.equal(await statusOf(port, host), 200, host);
  });

  it('knows names from mistakes', async () => {
    for (const one of ['https://a.example', 'a.example:80', 'a/b', '', ' ', '*.example', '.', 7]) {
      const options = { models: { a: 'a' }, allowedHosts: [one] } as unknown as ServerOptions;
      await assert.rejects(createServer(options), invalid('allowedHosts cannot hold'), String(one));
    }
    const options = { models: { a: 'a' }, allowedHosts: 'a.example' } as unknown as ServerOptions;
    await assert.rejects(createServer(options), invalid('allowedHosts must be an array'));
  });
});

it('the very address that a connection came to is a name of the server', () => {
  assert.ok(isAllowedHost('10.0.0.5:8080', [], '10.0.0.5'));
  assert.ok(isAllowedHost('10.0.0.5', [], '::ffff:10.0.0.5'));
  assert.ok(isAllowedHost('[2001:db8::1]:80', [], '2001:db8::1'));
  assert.ok(!isAllowedHost('10.0.0.5', [], '10.0.0.6'));
  assert.ok(!isAllowedHost('10.0.0.5', [], undefined));
});

describe('a server for other machines', () => {
  const open = async (options: Partial<ServerOptions>) => {
    const server = await PredictionServer.open({ models: { a: 'a' }, ...options }, async () => new FakePredictor());
    await server.ready;
    return server;
  };

  it('is called by any name, unless it is told by which', async () => {
    for (const [options, status] of [
      [{}, 200],
      [{ allowedHosts: ['vision.example.com'] }, 421],
    ] as const) {
      await using server = await open(options);
      const { port } = await server.listen({ host: '0.0.0.0', port: 0 });
      assert.equal(await statusOf(port, 'evil.example'), status);
      assert.equal(await statusOf(port, 'vision.example.com'), 200);
      assert.equal(await statusOf(port, '127.0.0.1'), 200);
    }
  });

  it('is called as the server that it is part of is called, unless it is told by which names', async (t) => {
    for (const [options, status] of [
      [{}, 200],
      [{ allowedHosts: [] }, 421],
    ] as const) {
      await using server = await open(options);
      const outer = createHttpServer(server.handler);
      t.after(() => outer.close());
      await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
      const { port } = outer.address() as { port: number };
      assert.equal(await statusOf(port, 'evil.example'), status);
      assert.equal(await statusOf(port, 'localhost'), 200);
      outer.closeAllConnections();
    }
  });
});
