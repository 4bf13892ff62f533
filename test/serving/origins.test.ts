import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createServer, type ServerOptions } from '../../src/serving/index.js';
import { invalid } from '../support/invalid.js';
import { head, RawConnection } from './support/raw.js';
import { jpegLike, type ServeOptions, serveFake } from './support/serving.js';

const APP = 'https://app.example.com';

interface Heard {
  readonly status: number;
  readonly body: string;
  header(name: string): string | undefined;
}

/** Asks as a browser does, which `fetch` here cannot: it sets these headers itself. */
async function ask(port: number, line: string, headers: Readonly<Record<string, string>>): Promise<Heard> {
  const connection = new RawConnection(port);
  const body = line.startsWith('POST') ? jpegLike : Buffer.alloc(0);
  const text = head({ 'Content-Length': body.length, Connection: 'close', ...headers }, `${line} HTTP/1.1`);
  connection.write(Buffer.concat([Buffer.from(text), body]));
  const [top = '', ...rest] = (await connection.closed()).split('\r\n\r\n');
  return {
    status: Number(top.slice(9, 12)),
    body: rest.join(),
    header: (name) => new RegExp(`^${name}: (.*)$`, 'im').exec(top)?.[1]?.trim(),
  };
}

const PREDICT = 'POST /v1/predict';
const preflight = (origin: string) => ({
  Origin: origin,
  'Access-Control-Request-Method': 'POST',
  'Access-Control-Request-Headers': 'content-type',
});

describe('a page of another origin', () => {
  it('may neither ask nor read, unless it is told otherwise', async (t) => {
    const { port, predictor } = await serveFake(t);
    const foreign: readonly Readonly<Record<string, string>>[] = [
      { Origin: APP },
      { Origin: 'null' },
      { Origin: 'http://127.0.0.1:1' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site', Origin: 'http://127.0.0.1' },
    ];
    for (const headers of foreign) {
      const { status, body, header } = await ask(port, PREDICT, headers);
      assert.equal(status, 403, JSON.stringify(headers));
      assert.match(body, /urn:resnet-torch:problem:cross-origin.*--cors/);
      assert.equal(header('access-control-allow-origin'), undefined);
    }
    assert.equal(predictor.asked.length, 0);
    const asked = await ask(port, 'OPTIONS /v1/predict', preflight(APP));
    assert.equal(asked.status, 405);
    const read = await ask(port, 'GET /v1/model', { Origin: APP });
    for (const { header } of [asked, read]) {
      assert.equal(header('access-control-allow-origin'), undefined);
      assert.equal(header('cross-origin-resource-policy'), 'same-origin');
    }
  });

  it('is told from the own page, and from what is no browser', async (t) => {
    const { port } = await serveFake(t);
    const own: readonly Readonly<Record<string, string>>[] = [
      {},
      { Origin: 'http://127.0.0.1' },
      { Origin: 'http://localhost:8080', Host: 'LOCALHOST:8080' },
      { 'Sec-Fetch-Site': 'none' },
      // A proxy that calls the server by another name than pages do.
      { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://vision.example.com' },
    ];
    for (const headers of own) assert.equal((await ask(port, PREDICT, headers)).status, 200, JSON.stringify(headers));
  });

  it('may ask and read where its origin is allowed, failures too', async (t) => {
    const { port } = await serveFake(t, { cors: [APP, 'http://other.example/', 'chrome-extension://abc'] });
    for (const origin of [APP, 'http://other.example', 'chrome-extension://abc']) {
      const headers = { Origin: origin, 'Sec-Fetch-Site': 'cross-site' };
      for (const [line, status] of [
        [PREDICT, 200],
        [`${PREDICT}?topK=0`, 400],
        ['GET /v1/model', 200],
        ['GET /nowhere', 404],
      ] as const) {
        const heard = await ask(port, line, headers);
        assert.equal(heard.status, status, line);
        assert.equal(heard.header('access-control-allow-origin'), origin, line);
        assert.equal(heard.header('access-control-expose-headers'), 'retry-after');
        assert.equal(heard.header('access-control-allow-credentials'), undefined);
        assert.equal(heard.header('vary'), 'Origin');
      }
    }
  });

  it('is asked for by the browser before', async (t) => {
    const { port, entries, predictor } = await serveFake(t, { cors: [APP] });
    const { status, body, header } = await ask(port, 'OPTIONS /v1/predict?topK=1', preflight(APP));
    assert.equal(status, 204);
    assert.equal(body, '');
    assert.equal(header('access-control-allow-origin'), APP);
    assert.equal(header('access-control-allow-methods'), 'POST');
    assert.equal(header('access-control-allow-headers'), 'content-type');
    assert.equal(header('access-control-allow-credentials'), undefined);
    assert.equal(header('vary'), 'Origin');
    assert.ok(Number(header('access-control-max-age')) > 0);
    assert.equal(
      (await ask(port, 'OPTIONS /v1/model', preflight(APP))).header('access-control-allow-methods'),
      'GET, HEAD',
    );
    assert.equal((await ask(port, 'OPTIONS /nowhere', preflight(APP))).status, 404);
    assert.equal((await ask(port, 'OPTIONS /v1/predict', {})).status, 405, 'it asks for nothing');
    assert.equal(predictor.asked.length, 0);
    assert.equal(entries.length, 4);
  });

  it('stays refused where another origin is allowed, and caches are told of it', async (t) => {
    const { port, predictor } = await serveFake(t, { cors: [APP] });
    const strangers = ['https://evil.example', `${APP}.evil.example`, `${APP}:444`, 'http://app.example.com', 'null'];
    for (const origin of strangers) {
      for (const line of [PREDICT, 'OPTIONS /v1/predict']) {
        const { status, header } = await ask(port, line, line === PREDICT ? { Origin: origin } : preflight(origin));
        assert.equal(status, 403, `${line} ${origin}`);
        assert.equal(header('access-control-allow-origin'), undefined);
        assert.equal(header('vary'), 'Origin');
      }
    }
    assert.equal(predictor.asked.length, 0);
    const plain = await ask(port, 'GET /v1/model', {});
    assert.equal(plain.header('vary'), 'Origin');
    assert.equal(plain.header('access-control-allow-origin'), undefined);
  });

  it('may be any, though never with what the browser knows of its user', async (t) => {
    const { port } = await serveFake(t, { cors: ['*'] });
    for (const [line, headers, status] of [
      [PREDICT, { Origin: 'https://any.example', 'Sec-Fetch-Site': 'cross-site' }, 200],
      ['OPTIONS /v1/predict', preflight('null'), 204],
    ] as const) {
      const heard = await ask(port, line, headers);
      assert.equal(heard.status, status);
      assert.equal(heard.header('access-control-allow-origin'), '*');
      assert.equal(heard.header('access-control-allow-credentials'), undefined);
    }
  });

  it('does not get past a wrong Host by being allowed', async (t) => {
    const { port } = await serveFake(t, { cors: ['*'] });
    assert.equal((await ask(port, PREDICT, { Origin: 'http://evil.example', Host: 'evil.example' })).status, 421);
  });
});

it('origins are known from mistakes', async () => {
  const mistakes = [
    'app.example.com',
    'https://a.example/path',
    'https://a.example?x',
    'https://u@a.example',
    'null',
    '',
    7,
  ];
  for (const one of [...mistakes, 'https://*.example.com']) {
    const options = { models: { a: 'a' }, cors: [one] } as unknown as ServerOptions;
    await assert.rejects(createServer(options), invalid('cors cannot hold'), String(one));
  }
  const options = { models: { a: 'a' }, cors: APP } as unknown as ServerOptions & ServeOptions;
  await assert.rejects(createServer(options), invalid('cors must be an array'));
});
