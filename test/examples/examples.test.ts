import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { writeFolders } from '../cli/support/images.js';
import { projectRoot } from '../support/paths.js';

const run = promisify(execFile);
const examples = join(projectRoot, 'examples');

/** The example as a user has it, with the built package installed and `photos/` beside it. */
async function installed(t: TestContext, name: string): Promise<string> {
  // Below the project, where what else it depends on is installed.
  const place = await mkdtemp(join(projectRoot, 'dist', 'example-'));
  t.after(() => rm(place, { recursive: true, force: true }));
  await cp(join(examples, name), place, { recursive: true });
  await mkdir(join(place, 'node_modules'));
  await symlink(projectRoot, join(place, 'node_modules', 'resnet-torch'));
  await writeFolders(join(place, 'photos'), { 'train/ant': 4, 'train/bee': 4, 'val/ant': 2, 'val/bee': 2 });
  return place;
}

const env = { ...process.env, OMP_NUM_THREADS: '1', RESNET_TORCH_DEVICE: undefined };
const SMALL = ['--weights', 'none', '--image-size', '32'];

async function node(cwd: string, ...args: readonly string[]): Promise<string> {
  return (await run(process.execPath, [...args], { cwd, env })).stdout;
}

/** The first line that a program prints. */
async function firstLine(child: ChildProcess): Promise<string> {
  for await (const chunk of child.stdout ?? []) return String(chunk).trim();
  return assert.fail('it printed nothing');
}

describe('the examples', () => {
  it('are projects with a README and what they depend on', async () => {
    const manifest = async (path: string) =>
      JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as {
        readonly version: string;
        readonly private?: boolean;
        readonly dependencies: Readonly<Record<string, string>>;
        readonly devDependencies: Readonly<Record<string, string>>;
      };
    const own = await manifest(projectRoot);
    const names = (await readdir(examples, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    assert.equal(names.length, 3);
    const list = await readFile(join(examples, 'README.md'), 'utf8');
    for (const { name } of names) {
      const { private: isPrivate, dependencies } = await manifest(join(examples, name));
      assert.ok(isPrivate);
      assert.equal(dependencies['resnet-torch'], `^${own.version}`);
      if (dependencies.fastify !== undefined) assert.equal(dependencies.fastify, own.devDependencies.fastify);
      assert.ok(existsSync(join(examples, name, 'README.md')));
      assert.ok(list.includes(`(${name})`), `${name} is listed`);
    }
  });

  it('fine-tune-a-folder trains, and labels by what it trained', async (t) => {
    const place = await installed(t, 'fine-tune-a-folder');
    const trained = await node(place, 'train.js', 'photos', ...SMALL, '--epochs', '2');
    assert.match(trained, /^8 images of ant, bee$/m);
    assert.match(trained, /^epoch 2 of 2: [\d.]+ % right, loss [\d.]+$/m);
    const photo = join('photos', 'val', 'bee', 'photo 1.jpg');
    const labelled = await node(place, 'label.js', photo);
    assert.match(labelled, /^photos\/val\/bee\/photo 1\.jpg\t(ant|bee)\t[01]\.\d{3}\n$/);
    // It has ended: asked again it says how.
    const again = await node(place, 'train.js', 'photos');
    assert.match(again, /^the best is epoch [12], in .*best\.safetensors$/m);
    await assert.rejects(node(place, 'label.js', photo, 'package.json'), { code: 1, stdout: labelled });
  });

  it('predict-service answers, refuses what is no image, and ends in order', async (t) => {
    const place = await installed(t, 'predict-service');
    const { ResNet50 } = await import('../../src/model/resnet50.js');
    {
      using model = await ResNet50.create({ classes: ['ant', 'bee'], weights: 'none', device: 'cpu' });
      const transform = { imageSize: 32, resize: 36, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
      await model.save(join(place, 'model.safetensors'), { transform });
    }
    const child = spawn(process.execPath, ['server.js'], {
      cwd: place,
      env: { ...env, MODEL: 'model.safetensors', PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const address = await firstLine(child);
    const post = (body: Uint8Array) =>
      fetch(`${address}/label`, { method: 'POST', body, headers: { 'content-type': 'application/octet-stream' } });
    const answer = await post(await readFile(join(place, 'photos', 'val', 'ant', 'photo 0.jpg')));
    assert.equal(answer.status, 200, await answer.clone().text());
    const { predictions } = (await answer.json()) as { readonly predictions: readonly { readonly label: string }[] };
    assert.deepEqual(predictions.map(({ label }) => label).sort(), ['ant', 'bee']);
    const refused = await post(new TextEncoder().encode('no image'));
    assert.equal(refused.status, 400);
    assert.equal(((await refused.json()) as { readonly code: string }).code, 'ERR_IMAGE_DECODE');
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  });

  it('custom-loop trains with steps of its own, and keeps the best', async (t) => {
    const place = await installed(t, 'custom-loop');
    const said = await node(place, 'loop.js', 'photos', ...SMALL, '--epochs', '2');
    assert.match(said, /^epoch 2: loss [\d.]+, [\d.]+ % right, rates × (1|0\.5)$/m);
    assert.ok(existsSync(join(place, 'best.safetensors')));
  });
});
