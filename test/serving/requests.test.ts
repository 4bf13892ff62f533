import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ResnetTorchError } from '../../src/errors.js';
import { type Body, form, jpegLike, post, read, serveFake } from './support/serving.js';

const TYPE = 'image/jpeg';

describe('a request for predictions', () => {
  it('is answered for one image as raw bytes', async (t) => {
    const { url, predictor } = await serveFake(t);
    for (const type of ['image/jpeg', 'image/png', 'application/octet-stream', 'Image/JPEG; q=1']) {
      const { status, body, headers } = await post(`${url}v1/predict?topK=1&features=false`, jpegLike, type);
      assert.equal(status, 200, type);
      assert.deepEqual(body, {
        model: 'bees',
        images: [{ predictions: [{ label: 'ants', index: 0, probability: 0.5 }] }],
      });
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
    }
    assert.equal(predictor.asked[0]?.timeoutMs, 10_000);
  });

  it('is answered for many images in their order, with features where they are asked for', async (t) => {
    const { url, predictor } = await serveFake(t);
    const { status, body } = await post(`${url}v1/predict?features=true`, form([jpegLike, jpegLike, jpegLike]));
    assert.equal(status, 200);
    assert.equal(body.images?.length, 3);
    const [first] = body.images as unknown as { features: number[] }[];
    assert.equal(first?.features.length, 2048);
    assert.equal(Math.fround(first?.features[0] ?? 0), Math.fround(0.1));
    assert.equal(JSON.stringify(first?.features[0]).length, 'x.100000001'.length, 'as short as a float32 can be told');
    assert.equal(predictor.asked.length, 3);
  });

  it('takes a part that is typed as an image for a file, whatever it is called', async (t) => {
    const { url } = await serveFake(t);
    const part = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Type: image/jpeg\r\n\r\n'),
      jpegLike,
      Buffer.from('\r\n--b--\r\n'),
    ]);
    assert.equal((await post(`${url}v1/predict`, part, 'multipart/form-data; boundary=b')).status, 200);
  });

  it('goes to the model that is named, or to the first', async (t) => {
    const { url } = await serveFake(t, { models: { bees: 'a', 'rote Äpfel': 'b' } });
    const named = await post(`${url}v1/predict?model=${encodeURIComponent('rote Äpfel')}`, jpegLike, TYPE);
    assert.equal(named.body.model, 'rote Äpfel');
    assert.equal((await post(`${url}v1/predict`, jpegLike, TYPE)).body.model, 'bees');
  });
});

describe('a request that is refused', () => {
  const small = { maxBodyBytes: 1000, maxImages: 2 };
  const noise = Buffer.from('this is no image, whatever its type says');
  const broken = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'));
  type Case = readonly [
    what: string,
    query: string,
    body: Body,
    type: string | undefined,
    status: number,
    problem: string,
  ];
  const multipart = 'multipart/form-data; boundary=b';
  const disposition = 'Content-Disposition: form-data; name="image"; filename="a.jpg"';
  const cases: readonly Case[] = [
    ['what is no image', '', noise, TYPE, 422, 'undecodable-image'],
    [
      'SVG',
      '',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'),
      'application/octet-stream',
      422,
      'undecodable-image',
    ],
    ['SVG by its type', '', Buffer.from('<svg/>'), 'image/svg+xml', 415, 'unsupported-media-type'],
    ['an empty body', '', Buffer.alloc(0), TYPE, 400, 'no-image'],
    ['an empty file', '', form([Buffer.alloc(0)]), undefined, 400, 'no-image'],
    ['a form without files', '', form([]), undefined, 400, 'no-image'],
    ['a body that is too large', '', Buffer.alloc(1001), TYPE, 413, 'body-too-large'],
    ['a form that is too large', '', form([Buffer.alloc(900)]), undefined, 413, 'body-too-large'],
    ['too many images', '', form([jpegLike, jpegLike, jpegLike]), undefined, 413, 'too-many-images'],
    ['another content type', '', '{}', 'application/json', 415, 'unsupported-media-type'],
    ['no content type', '', new Blob([jpegLike]), undefined, 415, 'unsupported-media-type'],
    ['a content type that is none', '', jpegLike, 'image', 415, 'unsupported-media-type'],
    ['a form without a boundary', '', jpegLike, 'multipart/form-data', 400, 'bad-multipart'],
    ['a form that ends early', '', broken(`--b\n${disposition}\n\nxyz`), multipart, 400, 'bad-multipart'],
    ['a form that never begins', '', noise, multipart, 400, 'bad-multipart'],
    [
      'a field',
      '',
      broken(`--b\nContent-Disposition: form-data; name="topK"\n\n3\n--b--\n`),
      multipart,
      400,
      'bad-multipart',
    ],
    ['an unknown model', '?model=beez', jpegLike, TYPE, 404, 'unknown-model'],
    ['a model that is a path', '?model=..%2F..%2Fetc%2Fpasswd', jpegLike, TYPE, 404, 'unknown-model'],
    ['an unknown parameter', '?topk=3', jpegLike, TYPE, 400, 'bad-query'],
    ['a parameter that is given twice', '?topK=1&topK=2', jpegLike, TYPE, 400, 'bad-query'],
    ['topK of none', '?topK=0', jpegLike, TYPE, 400, 'bad-query'],
    ['topK that is no number', '?topK=1e2', jpegLike, TYPE, 400, 'bad-query'],
    ['topK of more classes than there are', '?topK=3', jpegLike, TYPE, 400, 'bad-query'],
    ['features that are neither true nor false', '?features=yes', jpegLike, TYPE, 400, 'bad-query'],
  ];

  let served: Awaited<ReturnType<typeof serveFake>>;
  before(async () => {
    served = await serveFake({ after: () => undefined }, small);
  });
  after(() => served.server.close());

  for (const [what, query, body, type, status, problem] of cases) {
    it(`${status} for ${what}`, async () => {
      const answer = await post(`${served.url}v1/predict${query}`, body, type);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
      assert.equal(answer.body.type, `urn:resnet-torch:problem:${problem}`);
      assert.equal(answer.body.status, status);
      assert.ok(typeof answer.body.title === 'string' && typeof answer.body.detail === 'string');
    });
  }

  it('says which of several images it is', async () => {
    const answer = await post(`${served.url}v1/predict`, form([jpegLike, noise]));
    assert.equal(answer.status, 422);
    assert.equal(answer.body.image, 1);
  });

  it('leaves the server as it was', async () => {
    assert.equal((await post(`${served.url}v1/predict`, jpegLike, TYPE)).status, 200);
    assert.deepEqual(served.errors, []);
  });
});

describe('failures of a prediction', () => {
  const cases = [
    ['ERR_IMAGE_DECODE', 422, 'undecodable-image'],
    ['ERR_IMAGE_TOO_LARGE', 413, 'image-too-large'],
    ['ERR_OVERLOADED', 429, 'overloaded'],
    ['ERR_DEADLINE', 504, 'deadline'],
  ] as const;
  for (const [code, status, problem] of cases) {
    it(`${code} is ${status}`, async (t) => {
      const { url, predictor, errors } = await serveFake(t);
      predictor.gate = () => Promise.reject(new ResnetTorchError(code, 'The detail.'));
      const answer = await post(`${url}v1/predict`, jpegLike, TYPE);
      assert.equal(answer.status, status);
      assert.equal(answer.body.type, `urn:resnet-torch:problem:${problem}`);
      assert.equal(answer.headers.get('retry-after'), status === 429 ? '1' : null);
      assert.deepEqual(errors, []);
    });
  }

  it('that nobody foresaw are 500, told to the server and not to the client', async (t) => {
    const { url, predictor, errors } = await serveFake(t);
    const secret = new Error('/home/me/runs/bees is broken');
    predictor.gate = () => Promise.reject(secret);
    const answer = await post(`${url}v1/predict`, jpegLike, TYPE);
    assert.equal(answer.status, 500);
    assert.doesNotMatch(JSON.stringify(answer.body), /home/);
    assert.deepEqual(errors, [secret]);
  });

  it('ERR_NON_FINITE is 500, told to the server as well', async (t) => {
    const { url, predictor, errors } = await serveFake(t);
    predictor.gate = () => Promise.reject(new ResnetTorchError('ERR_NON_FINITE', 'Logits are NaN in /home/me/x.'));
    const answer = await post(`${url}v1/predict`, jpegLike, TYPE);
    assert.equal(answer.status, 500);
    assert.equal(answer.body.type, 'urn:resnet-torch:problem:non-finite');
    assert.doesNotMatch(JSON.stringify(answer.body), /home/);
    assert.equal(errors.length, 1);
  });

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`an answer with ${value} is 500, and no null`, async (t) => {
      const { url, predictor } = await serveFake(t);
      predictor.probability = value;
      const wrong = await post(`${url}v1/predict`, form([jpegLike]));
      assert.equal(wrong.status, 500);
      assert.equal(wrong.body.type, 'urn:resnet-torch:problem:non-finite');
      predictor.probability = undefined;
      predictor.feature = value;
      assert.equal((await post(`${url}v1/predict`, jpegLike, TYPE)).status, 200);
      assert.equal((await post(`${url}v1/predict?features=true`, jpegLike, TYPE)).status, 500);
    });
  }

  it('of one image end the others of the request', async (t) => {
    const { url, predictor } = await serveFake(t);
    predictor.gate = (bytes) =>
      bytes.length > jpegLike.length
        ? Promise.reject(new ResnetTorchError('ERR_IMAGE_DECODE', 'Broken.'))
        : new Promise(() => undefined);
    const answer = await post(`${url}v1/predict`, form([jpegLike, Buffer.concat([jpegLike, jpegLike]), jpegLike]));
    assert.equal(answer.status, 422);
    assert.equal(answer.body.image, 1);
    assert.ok(predictor.asked.every(({ signal }) => signal?.aborted));
  });
});

describe('what a client sends', () => {
  const secret = 'c2VjcmV0'.repeat(1000);
  const dataUrl = `data:image/jpeg;base64,${secret}`;

  it('is never told back whole', async (t) => {
    const { url, errors } = await serveFake(t);
    const asUrl = encodeURIComponent(dataUrl);
    const answers = [
      await post(`${url}v1/predict`, dataUrl, TYPE),
      await post(`${url}v1/predict`, form([Buffer.from(dataUrl)])),
      await post(`${url}v1/predict`, JSON.stringify({ image: dataUrl }), 'application/json'),
      await post(`${url}v1/predict`, jpegLike, `text/${secret}`),
      ...(await Promise.all(
        [`?model=${asUrl}`, `?topK=${asUrl}`, `?features=${asUrl}`, `?${asUrl}=1`].map((query) =>
          post(`${url}v1/predict${query}`, jpegLike, TYPE),
        ),
      )),
      await read(await fetch(`${url}${asUrl}`)),
      await read(await fetch(`${url}%zz${secret}`)),
      await read(await fetch(`${url}v1/predict`, { method: 'POST', headers: { 'content-encoding': secret } })),
      await read(
        await fetch(`${url}v1/predict`, { method: 'POST', body: jpegLike, headers: { origin: `http://${secret}` } }),
      ),
    ];
    for (const { status, body } of answers) {
      assert.ok(status >= 400 && status < 500, JSON.stringify(body));
      assert.ok(String(body.detail).length <= 500, String(body.detail));
    }
    assert.match(String(answers[0]?.body.detail), /data: URL is not taken: send the bytes/);
    assert.equal(answers[0]?.status, 422);
    assert.deepEqual(errors, []);
  });
});

describe('other addresses', () => {
  it('tell of the models', async (t) => {
    const { url } = await serveFake(t, { models: { bees: 'secret/a', birds: 'secret/b' } });
    const all = await read(await fetch(`${url}v1/model`));
    assert.equal(all.body.default, 'bees');
    const [, birds] = all.body.models as Record<string, unknown>[];
    assert.deepEqual(await (await fetch(`${url}v1/model?model=birds`)).json(), birds);
    assert.deepEqual(birds?.classes, ['ants', 'bees']);
    assert.deepEqual(birds?.input, { imageSize: 32, resize: 36, precision: 'fp32', device: 'cpu' });
    assert.doesNotMatch(JSON.stringify(all.body), /secret/);
    assert.equal((await fetch(`${url}v1/model?model=bird`)).status, 404);
    assert.equal((await fetch(`${url}v1/model?name=birds`)).status, 400);
  });

  it('are 404, or 405 with what is allowed', async (t) => {
    const { url } = await serveFake(t);
    const nowhere = await read(await fetch(`${url}v2/predict`));
    assert.equal(nowhere.status, 404);
    assert.equal(nowhere.body.type, 'urn:resnet-torch:problem:not-found');
    const get = await read(await fetch(`${url}v1/predict?x=1`));
    assert.equal(get.status, 405);
    assert.equal(get.headers.get('allow'), 'POST');
    const put = await read(await fetch(`${url}healthz`, { method: 'DELETE' }));
    assert.equal(put.headers.get('allow'), 'GET, HEAD');
    // What the router would take for a pattern, or for a broken one.
    for (const path of [':(,=;b', ':name', '*', 'v1/:model']) assert.equal((await fetch(url + path)).status, 404, path);
    assert.equal((await fetch(`${url}%zz`)).status, 400);
    assert.match((await fetch(`${url}%zz`)).headers.get('content-type') ?? '', /problem\+json/);
  });
});
