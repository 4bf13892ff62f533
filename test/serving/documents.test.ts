import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { form, jpegLike, post, serveFake } from './support/serving.js';

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

async function documentOf(url: string): Promise<Document> {
  return (await (await fetch(`${url}openapi.json`)).json()) as Document;
}

/** Fails where an answer is not what the document says of its route and status. */
function checker(document: Document): (path: string, method: string, response: Response) => Promise<void> {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', ...document });
  return async (path, method, response) => {
    const content = document.paths[path]?.[method]?.responses[response.status]?.content;
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    assert.ok(content?.[type], `${method} ${path} ${response.status} ${type} is not in the document`);
    const key = ['paths', path, method, 'responses', response.status, 'content', type, 'schema'];
    const pointer = key.map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1')));
    const validate = ajv.getSchema(`document#/${pointer.join('/')}`);
    assert.ok(validate !== undefined);
    const body = type === 'text/plain' ? await response.text() : await response.json();
    assert.ok(validate(body), `${path} ${response.status}: ${ajv.errorsText(validate.errors)}`);
  };
}

describe('the OpenAPI document', () => {
  it('is one, of version 3.1', async (t) => {
    const { url } = await serveFake(t);
    const document = await documentOf(url);
    const validator = new Validator();
    const { valid, errors } = await validator.validate(document as never);
    assert.ok(valid, JSON.stringify(errors));
    assert.equal(validator.version, '3.1');
    assert.equal(document.openapi, '3.1.0');
  });

  it('has as many features as some architecture, and the architecture of a model', async (t) => {
    const { url } = await serveFake(t);
    const text = JSON.stringify(await documentOf(url));
    assert.match(text, /"features":\{"type":"array","items":\{"type":"number"\},"minItems":512,"maxItems":2048\}/);
    assert.equal(((await (await fetch(`${url}v1/model?model=bees`)).json()) as { arch?: string }).arch, 'resnet50');
  });

  it('names the limits', async (t) => {
    const { url } = await serveFake(t, { maxBodyBytes: 12345, maxPixels: 54321, maxImages: 7 });
    const text = JSON.stringify(await documentOf(url));
    assert.match(text, /54321 pixels at most, 7 images and 12345 bytes/);
  });

  it('is what the server does', async (t) => {
    const { url, server } = await serveFake(t, { maxBodyBytes: 5000 });
    const check = checker(await documentOf(url));
    const get = (path: string, query = '') => fetch(`${url}${path.slice(1)}${query}`);
    for (const path of ['/healthz', '/readyz', '/metrics', '/v1/model']) await check(path, 'get', await get(path));
    await check('/v1/model', 'get', await get('/v1/model', '?model=bees'));
    await check('/v1/model', 'get', await get('/v1/model', '?model=none'));
    await check('/v1/model', 'get', await get('/v1/model', '?x=1'));
    const predict = async (status: number, body: NonNullable<RequestInit['body']>, type: string, query = '') => {
      const headers = { 'content-type': type };
      const response = await fetch(`${url}v1/predict${query}`, { method: 'POST', body, headers });
      assert.equal(response.status, status);
      await check('/v1/predict', 'post', response);
    };
    await predict(200, jpegLike, 'image/jpeg');
    await predict(200, jpegLike, 'image/jpeg', '?features=true&topK=2');
    await predict(400, jpegLike, 'image/jpeg', '?topK=3');
    const own = { 'content-type': 'image/jpeg', origin: 'https://evil.example' };
    const foreign = await fetch(`${url}v1/predict`, { method: 'POST', body: jpegLike, headers: own });
    assert.equal(foreign.status, 403);
    await check('/v1/predict', 'post', foreign);
    await predict(404, jpegLike, 'image/jpeg', '?model=none');
    await predict(413, Buffer.alloc(6000), 'image/jpeg');
    await predict(415, jpegLike, 'text/plain');
    await predict(422, Buffer.alloc(60), 'image/jpeg');
    await server.close();
  });
});

describe('metrics', () => {
  const figures = async (url: string): Promise<ReadonlyMap<string, number>> => {
    const text = await (await fetch(`${url}metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    );
  };

  it('count requests by route and status, and images by model', async (t) => {
    const { url } = await serveFake(t);
    await post(`${url}v1/predict`, form([jpegLike, jpegLike]));
    await post(`${url}v1/predict`, jpegLike, 'image/png');
    await post(`${url}v1/predict`, jpegLike, 'text/plain');
    await fetch(`${url}surprise/0.25`);
    const found = await figures(url);
    assert.equal(found.get('resnet_torch_http_requests_total{route="/v1/predict",status="200"}'), 2);
    assert.equal(found.get('resnet_torch_http_requests_total{route="/v1/predict",status="415"}'), 1);
    assert.equal(found.get('resnet_torch_http_requests_total{route="none",status="404"}'), 1);
    assert.equal(found.get('resnet_torch_images_total{model="bees"}'), 3);
    assert.equal(found.get('resnet_torch_batched_images_total{model="bees"}'), 4, 'the warm-up is one');
    assert.equal(found.get('resnet_torch_queue_images{model="bees"}'), 0);
    const count = 'resnet_torch_http_request_duration_seconds_count{route="/v1/predict",status="200"}';
    assert.equal(found.get(count), 2);
  });

  it('tell of the process and its event loop, once for all servers', async (t) => {
    const first = await serveFake(t);
    const second = await serveFake(t);
    for (const { url } of [first, second]) {
      const found = await figures(url);
      for (const name of [
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_p99_seconds',
        'process_cpu_seconds_total',
      ]) {
        assert.ok(Number.isFinite(found.get(name)), name);
      }
    }
    assert.match(
      (await fetch(`${first.url}metrics`)).headers.get('content-type') ?? '',
      /^text\/plain; version=0\.0\.4/,
    );
  });
});

describe('the page', () => {
  it('needs nothing but itself, and is allowed nothing else', async (t: TestContext) => {
    const { url } = await serveFake(t);
    const response = await fetch(url);
    const html = await response.text();
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(
      policy,
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'/,
    );
    assert.doesNotMatch(policy, /unsafe/);
    assert.doesNotMatch(html, /(?:src|href)=|https?:|url\(|@import|style="|\son[a-z]+="/);
  });
});

describe("the server's own files", () => {
  const paths = [
    '/package.json',
    '/assets/serve.html',
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/....//....//etc/passwd',
    '//etc/passwd',
    '/v1/../../etc/passwd',
    '/v1/model/..%5c..%5cpackage.json',
    '/etc/passwd%00.html',
    'file:///etc/passwd',
  ];
  it('cannot be read by any address', async (t) => {
    const { url, port } = await serveFake(t);
    const { head, RawConnection } = await import('./support/raw.js');
    for (const path of paths) {
      const connection = new RawConnection(port);
      connection.write(head({ Connection: 'close' }, `GET ${path} HTTP/1.1`));
      const heard = await connection.closed();
      assert.match(heard, /^HTTP\/1\.1 40[04] /, path);
      assert.doesNotMatch(heard, /root:|resnet-torch",/, path);
    }
    assert.equal((await fetch(`${url}healthz`)).status, 200);
  });

  it('cannot be read by the name of a file that is sent', async (t) => {
    const { url, predictor } = await serveFake(t);
    const seen: Uint8Array[] = [];
    predictor.gate = async (bytes) => {
      seen.push(bytes);
    };
    const names = ['/etc/passwd', '../../../package.json', 'file:///etc/passwd', 'C:\\boot.ini'];
    const answer = await post(
      `${url}v1/predict`,
      form(
        names.map(() => jpegLike),
        names,
      ),
    );
    assert.equal(answer.status, 200);
    assert.ok(seen.every((bytes) => Buffer.from(bytes).equals(jpegLike)));
    assert.doesNotMatch(JSON.stringify(answer.body), /passwd|package|boot/);
    const path = await post(`${url}v1/predict`, '/etc/passwd', 'application/octet-stream');
    assert.equal(path.status, 422);
  });
});
