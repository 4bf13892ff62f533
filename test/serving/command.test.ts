import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { modelsOf } from '../../src/cli/commands/serve.js';
import { native } from '../../src/native/load.js';
import { inProcess, resnetTorch } from '../cli/support/command.js';
import { startServe } from './support/command.js';
import { writeCheckpoint } from './support/model.js';
import { head, RawConnection } from './support/raw.js';
import { jpeg, post } from './support/serving.js';

const small = ['--precision', 'fp32', '--workers', '1', '--threads', '1', '--device', 'cpu'];

describe('the models of `serve`', () => {
  it('are called by the last part of their paths, or as they are named', () => {
    assert.deepEqual(modelsOf(['runs/bees', '/a/b.safetensors', 'runs/2024/'], ['x=runs/y=z']), {
      bees: 'runs/bees',
      b: '/a/b.safetensors',
      '2024': 'runs/2024/',
      x: 'runs/y=z',
    });
    assert.equal(Object.keys(modelsOf(['z', 'a'], [])).join(), 'z,a');
  });

  it('must have names of their own', () => {
    assert.throws(() => modelsOf(['a/best', 'b/best'], []), /both called "best".*--model NAME=RUN/);
    assert.throws(() => modelsOf([], []), /Name a run to serve/);
    for (const text of ['runs', '=runs', 'name=']) assert.throws(() => modelsOf([], [text]), /takes NAME=RUN/);
  });
});

describe('resnet-torch serve', () => {
  let folder: string;
  let checkpoint: string;
  let image: Buffer;
  before(async () => {
    native().setThreads(1);
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    checkpoint = await writeCheckpoint(join(folder, 'insects.safetensors'), ['ants', 'bees']);
    image = await jpeg();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const labels = async (url: string, query = '') => {
    const { status, body } = await post(`${url}v1/predict${query}`, new Uint8Array(image), 'image/jpeg');
    assert.equal(status, 200, JSON.stringify(body));
    return body.images?.[0]?.predictions.map(({ label }) => label).sort();
  };

  it('says one line, answers, loads again at SIGHUP, and ends with 0 at SIGTERM', async (t) => {
    const server = await startServe(t, [checkpoint, '--model', `also=${checkpoint}`, ...small]);
    assert.match(server.said, /^Serving insects, also on http:\/\/127\.0\.0\.1:\d+\/\n$/);
    assert.deepEqual(await labels(server.url), ['ants', 'bees']);
    await writeCheckpoint(checkpoint, ['drei', 'vier', 'zwei'], 2);
    server.child.kill('SIGHUP');
    await server.hears(/Loaded again: insects, also\./);
    assert.deepEqual(await labels(server.url, '?model=also'), ['drei', 'vier', 'zwei']);
    await writeFile(checkpoint, 'broken');
    server.child.kill('SIGHUP');
    await server.hears(/insects stays what it was: .*\n.*also stays what it was: /);
    assert.deepEqual(await labels(server.url), ['drei', 'vier', 'zwei']);
    await writeCheckpoint(checkpoint, ['ants', 'bees']);
    assert.equal(await server.end('SIGTERM'), 0);
    assert.doesNotMatch(server.stderr(), /v1\/predict/, 'quiet about requests');
  });

  it('tells of requests with --verbose, prints JSON, and ends with 130 at Ctrl-C', async (t) => {
    const server = await startServe(t, [checkpoint, '--json', '--verbose', '--max-body', '2000', ...small]);
    const { address, port, models } = JSON.parse(server.said);
    assert.equal(address, server.url);
    assert.equal(port, server.port);
    assert.deepEqual(models, ['insects']);
    await labels(server.url, '?topK=1');
    assert.equal((await post(`${server.url}v1/predict`, Buffer.alloc(2001), 'image/jpeg')).status, 413);
    await server.hears(/POST \/v1\/predict\?topK=1 200 [\d.]+ ms, 1 images\n(.*\n)*.*POST \/v1\/predict 413 /);
    assert.equal(await server.end('SIGINT'), 130);
  });

  it('has the threads of the arithmetic sleep while they wait, unless it is told otherwise', {
    skip: process.platform !== 'linux' && 'only GNU OpenMP tells its settings',
  }, async (t) => {
    for (const [set, policy] of [
      [undefined, 'PASSIVE'],
      ['active', 'ACTIVE'],
    ] as const) {
      const env = { OMP_DISPLAY_ENV: 'true', OMP_WAIT_POLICY: set };
      const server = await startServe(t, [checkpoint, ...small], env);
      assert.match(await server.hears(/OMP_WAIT_POLICY/), new RegExp(`OMP_WAIT_POLICY = '${policy}'`));
      assert.equal(await server.end('SIGTERM'), 0);
    }
  });

  it('says why it cannot start', async (t) => {
    const missing = await resnetTorch(['serve', join(folder, 'nothing'), '--port', '0']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /There is no .*nothing.*\(ERR_CHECKPOINT\)/);
    assert.equal(missing.stdout, '');
    const server = await startServe(t, [checkpoint, ...small]);
    const taken = await resnetTorch(['serve', checkpoint, '--port', String(server.port)]);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /Cannot listen on 127\.0\.0\.1, port \d+: another program listens there/);
    assert.equal(await server.end('SIGTERM'), 0);
  });

  it('ends with the test that started it, however that ends', async (t) => {
    const module = new URL('support/command.js', import.meta.url).href;
    const program = `
      const { startServe } = await import(${JSON.stringify(module)});
      const { url } = await startServe({ after() {} }, ${JSON.stringify([checkpoint, ...small])});
      process.stdout.write(url);
      setInterval(() => undefined, 1e6);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => parent.kill('SIGKILL'));
    const [said] = await once(parent.stdout, 'data');
    const isAlive = () =>
      fetch(`${said}healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    assert.equal(await isAlive(), true);
    parent.kill('SIGKILL');
    while (await isAlive());
  });

  it('may be called by the names, and by pages of the origins, that it is told', async (t) => {
    const names = ['--allowed-hosts', 'a.example', '--allowed-hosts', '.b.example'];
    const origins = ['--cors', 'https://one.example', '--cors', 'https://two.example'];
    const server = await startServe(t, [...names, ...origins, checkpoint, '--verbose', ...small]);
    for (const host of ['a.example', 'x.b.example', 'localhost', 'c.example']) {
      const connection = new RawConnection(server.port);
      const address = `/healthz?${'x'.repeat(500)}`;
      connection.write(
        head({ Host: host, Origin: 'https://two.example', Connection: 'close' }, `GET ${address} HTTP/1.1`),
      );
      const heard = await connection.closed();
      assert.match(
        heard,
        host === 'c.example' ? /^HTTP\/1\.1 421 / : /^HTTP\/1\.1 200 .*origin: https:\/\/two\.example/s,
      );
    }
    await server.hears(/ 421 /);
    assert.match(server.stderr(), /GET \/healthz\?x{180,200}\.\.\. 200 /);
    assert.equal(await server.end('SIGTERM'), 0);
  });

  it('refuses what makes no sense', async (t) => {
    const cases: readonly (readonly [args: readonly string[], words: RegExp])[] = [
      [[], /Name a run to serve/],
      [['a', '--port', '70000'], /--port takes a whole number/],
      [['a', '--max-images', '0'], /--max-images takes a whole number/],
      [['a', '--max-images', '9', '--max-queue', '8'], /only 8 images may wait/],
      [['a', '--ports', '1'], /Did you mean --port\?/],
      [['a', '--max-connections', '0'], /--max-connections takes a whole number/],
      [['a', '--keep-alive', '-1'], /--keep-alive takes a whole number/],
      [['a', '--allowed-hosts', 'http://a.example'], /allowedHosts cannot hold "http:\/\/a.example"/],
      [['a', '--cors', 'a.example'], /cors cannot hold "a.example"/],
    ];
    for (const [args, words] of cases) {
      const { code, stderr } = await inProcess(t, ['serve', ...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, words);
    }
  });
});
