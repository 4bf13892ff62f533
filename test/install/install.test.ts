import assert from 'node:assert/strict';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ArchiveEntry, writeArchive } from '../scripts/support/archive.js';
import { importScript, installedCopy, runProgram, runSetup } from '../scripts/support/script.js';
import { serveFolder } from '../scripts/support/server.js';
import { projectRoot } from '../support/paths.js';

interface Pins {
  officialArchive(variant: 'cpu' | 'cuda'): string | null;
}

const { officialArchive } = await importScript<Pins>('setup/pins.mjs');
const archivePath = officialArchive('cpu');

/** The members of an official archive, from a libtorch that is there. */
async function archiveOf(libtorch: string): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [{ name: 'libtorch/build-version', content: Buffer.from('repacked\n') }];
  for (const part of ['include', 'lib', 'share']) {
    const found = await readdir(join(libtorch, part), { recursive: true, withFileTypes: true });
    for (const entry of found) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      const name = `libtorch/${relative(libtorch, file)}`;
      entries.push({ name, content: part === 'lib' ? { file } : await readFile(file) });
    }
  }
  return entries;
}

/** One way through it all, each step on what the one before left: libtorch downloaded, package installed, addon built. */
describe('an installation from nothing', {
  skip: archivePath === null && 'no official libtorch for this system',
}, () => {
  let folder: string;
  let libtorch: string;
  let project: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-install-'));
    project = join(folder, 'a project of mine');
    await mkdir(project);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const npx = (...args: string[]) =>
    runProgram('npx', ['--no-install', 'resnet-torch', ...args], {
      cwd: project,
      env: { RESNET_TORCH_LIBTORCH: libtorch },
    });
  const installed = () => join(project, 'node_modules/resnet-torch');
  const tryLibrary = () =>
    runProgram(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { ResNet50 } from 'resnet-torch';
        const model = await ResNet50.create({ classes: 3, weights: 'none', device: 'cpu' });
        const logits = await model.forward(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
        console.log(JSON.stringify(logits.shape));
        model.dispose();
        const { createServer } = await import('resnet-torch/serve');
        const server = await createServer({ models: { none: 'nowhere' } });
        await server.close();`,
      ],
      { cwd: project },
    );

  it('gets libtorch from an archive in the official layout, over HTTP', async (t) => {
    assert.ok(archivePath !== null);
    const archive = join(folder, 'host', decodeURIComponent(archivePath));
    await mkdir(dirname(archive), { recursive: true });
    await writeArchive(archive, await archiveOf(realpathSync(join(projectRoot, 'vendor/libtorch-cpu'))));
    const url = await serveFolder(t, join(folder, 'host'));
    const root = await installedCopy(join(folder, 'copy'));
    const trusting = ['--allow-http', '--allow-unverified'];
    const args = ['--libtorch-only', '--libtorch-url', url, ...trusting];
    const setup = await runSetup(root, args, { RESNET_TORCH_PYTHON: '/nowhere' });
    await rm(join(folder, 'host'), { recursive: true });
    assert.equal(setup.code, 0, setup.stderr);
    assert.match(setup.stderr, /from: archive/);
    libtorch = realpathSync(join(root, 'vendor/libtorch-cpu'));
    assert.ok(libtorch.startsWith(realpathSync(root)));
  });

  it('installs the packed package without building anything', async () => {
    const packed = await runProgram('npm', ['pack', '--json', '--pack-destination', folder], { cwd: projectRoot });
    assert.equal(packed.code, 0, packed.stderr);
    const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
    assert.ok(tarball !== undefined);
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'mine', version: '1.0.0', private: true }));
    const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, tarball)];
    const done = await runProgram('npm', install, { cwd: project });
    assert.equal(done.code, 0, done.stderr);
    const shipped = [
      'native/addon.cc',
      'CMakeLists.txt',
      'scripts/setup.mjs',
      'dist/src/index.d.ts',
      'assets/serve.html',
      'LICENSE',
      'dist/src/serving/fastify.LICENSES.txt',
      'scripts/setup/wheels/cpu-linux-x64.txt',
    ];
    for (const part of shipped) {
      assert.ok(existsSync(join(installed(), part)), `${part} ships`);
    }
    for (const part of ['test', 'dist/test', 'src', 'addons/cpu/build', 'vendor']) {
      assert.ok(!existsSync(join(installed(), part)), `${part} does not ship`);
    }
    // A prebuilt addon may have come along; here the sources are to show that they suffice.
    await rm(join(installed(), 'addons'), { recursive: true, force: true });
  });

  it('says what to do before it was set up', async () => {
    const first = await tryLibrary();
    assert.notEqual(first.code, 0);
    assert.match(first.stderr, /ERR_ADDON_LOAD/);
    assert.match(first.stderr, /npx resnet-torch setup/);
  });

  it('is set up by `npx resnet-torch setup`, and works', async () => {
    const setup = await npx('setup');
    assert.equal(setup.code, 0, setup.stderr.slice(-4000));
    assert.match(setup.stderr, /RESNET_TORCH_LIBTORCH/);
    const build = join(installed(), 'addons/cpu/build');
    assert.deepEqual((await readdir(build)).sort(), ['.setup-stamp', 'Release'], 'no intermediates are left');
    assert.deepEqual(await readdir(join(build, 'Release')), ['resnet_torch.node']);
    const model = await tryLibrary();
    assert.equal(model.code, 0, model.stderr);
    assert.equal(model.stdout.trim(), '[1,3]');
  });

  it('has nothing to do the second time', async () => {
    const again = await npx('setup');
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stderr, /native +built already/);
  });

  it('says that its libtorch is gone, and by which command it comes back', async () => {
    await rm(join(installed(), 'vendor/libtorch-cpu'));
    const model = await tryLibrary();
    assert.notEqual(model.code, 0);
    assert.match(model.stderr, /ERR_LIBTORCH_NOT_FOUND/);
    assert.match(model.stderr, /npx resnet-torch setup/);
  });
});
