import assert from 'node:assert/strict';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { writeArchive } from './support/archive.js';
import { fakeLibtorch, writeFakeLibtorch } from './support/libtorch.js';
import { importScript, installedCopy, runSetup } from './support/script.js';
import { serveFolder } from './support/server.js';

interface Pins {
  readonly pinnedLibtorch: { readonly cpu: string; readonly cuda: string };
  officialArchive(variant: 'cpu' | 'cuda', platform?: string, arch?: string): string | null;
  wheelRequirement(variant: 'cpu' | 'cuda', platform?: string): string;
}

interface Wheels {
  placeTorch(name: string): string | null;
  placeNvidia(name: string): string | null;
}

const { pinnedLibtorch, officialArchive, wheelRequirement } = await importScript<Pins>('setup/pins.mjs');
const { placeNvidia, placeTorch } = await importScript<Wheels>('setup/wheel.mjs');
const archivePath = officialArchive('cpu');
/** Neither the network nor a Python: what a set-up falls back on must not hide what it did. */
const alone = { RESNET_TORCH_PYTHON: '/nowhere/python3' };
const nowhere = 'http://127.0.0.1:1';

/** Puts a libtorch's archive where the official host would have it, below `folder`. */
async function publish(folder: string, version: string): Promise<string> {
  assert.ok(archivePath !== null);
  const archive = join(folder, decodeURIComponent(archivePath));
  await mkdir(dirname(archive), { recursive: true });
  await writeArchive(
    archive,
    [...fakeLibtorch(version)].map(([path, text]) => ({ name: `libtorch/${path}`, content: Buffer.from(text) })),
  );
  return archive;
}

describe('where libtorch comes from', () => {
  it('names official archives and wheels', () => {
    assert.equal(officialArchive('cpu', 'linux', 'x64'), 'cpu/libtorch-shared-with-deps-2.13.0%2Bcpu.zip');
    assert.equal(officialArchive('cuda', 'linux', 'x64'), 'cu130/libtorch-shared-with-deps-2.14.1%2Bcu130.zip');
    assert.equal(officialArchive('cpu', 'darwin', 'arm64'), 'cpu/libtorch-macos-arm64-2.13.0.zip');
    assert.equal(officialArchive('cpu', 'linux', 'arm64'), null);
    assert.equal(wheelRequirement('cpu', 'linux'), 'torch==2.13.0+cpu');
    assert.equal(wheelRequirement('cuda', 'linux'), 'torch==2.14.1');
  });

  it('takes of wheels what a program needs', () => {
    for (const name of ['torch/lib/libtorch_cuda.so', 'torch/lib/libgomp.so.1', 'torch/include/ATen/ATen.h'])
      assert.equal(placeTorch(name), name);
    for (const name of [
      'torch/nn/modules.py',
      'torch/lib/libtorch_python.so',
      'torch/bin/protoc',
      'functorch/lib/x.so',
    ])
      assert.equal(placeTorch(name), null);
    for (const name of [
      'nvidia/cu13/include/cublas_v2.h',
      'nvidia/cu13/lib/libcudart.so.13',
      'nvidia/cu13/lib/libcusolver.so.12',
      'nvidia/cu13/lib/libnvrtc.so.13',
      'nvidia/cu13/lib/libnvrtc-builtins.so.13.0',
      'nvidia/cudnn/lib/libcudnn_engines_tensor_ir.so.9',
      'nvidia/nvshmem/lib/nvshmem_bootstrap_uid.so.3',
    ])
      assert.equal(placeNvidia(name), name);
    for (const name of [
      'nvidia/cu13/lib/libcudart_static.a',
      'nvidia/cu13/lib/libcusolverMg.so.12',
      'nvidia/cu13/lib/libnvrtc.alt.so.13',
      'nvidia/cu13/lib/libnvrtc-builtins.alt.so.13.0',
      'nvidia/cu13/lib/libnvperf_host.so',
      'nvidia/nvshmem/lib/libnvshmem_device.bc',
      'nvidia/nccl/__init__.py',
      'nvidia_nvtx-13.0.85.dist-info/METADATA',
    ])
      assert.equal(placeNvidia(name), null);
  });

  it('takes the folder that RESNET_TORCH_LIBTORCH names, whatever its version', async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const own = await writeFakeLibtorch(join(folder, 'my libtorch'), '2.12.3');
    const setup = await runSetup(root, ['--libtorch-only'], { RESNET_TORCH_LIBTORCH: own });
    assert.equal(setup.code, 0, setup.stderr);
    assert.match(setup.stderr, /2\.12\.3 \(cpu\), RESNET_TORCH_LIBTORCH; this package is tested with 2\.13\.0/);
    assert.equal(realpathSync(join(root, 'vendor/libtorch-cpu')), realpathSync(own));
    assert.equal(setup.stdout, '');
  });

  it('refuses one that is none, or of the other variant, and does not pass it over', async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const missing = await runSetup(root, ['--libtorch-only'], { RESNET_TORCH_LIBTORCH: join(folder, 'none') });
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /RESNET_TORCH_LIBTORCH cannot be used: .*none is not there/);
    const own = await writeFakeLibtorch(join(folder, 'cpu'), pinnedLibtorch.cuda);
    const other = await runSetup(root, ['--libtorch-only', '--device', 'cuda'], { RESNET_TORCH_LIBTORCH: own });
    assert.equal(other.code, 1);
    assert.match(other.stderr, /is a build for the CPU alone/);
    assert.ok(!existsSync(join(root, 'vendor')));
  });

  it('downloads and unpacks an archive, once', { skip: archivePath === null }, async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    await publish(join(folder, 'host'), pinnedLibtorch.cpu);
    const url = await serveFolder(t, join(folder, 'host'));
    const first = await runSetup(root, ['--libtorch-only', '--libtorch-url', url], alone);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /no SHA-256 is recorded/);
    assert.equal(await readFile(join(root, 'vendor/libtorch-cpu/include/ATen/ATen.h'), 'utf8'), '#pragma once\n');
    assert.deepEqual(await readdir(join(root, 'vendor/store')), [`cpu-${pinnedLibtorch.cpu}`]);
    assert.deepEqual((await readdir(join(root, 'vendor'))).sort(), ['libtorch-cpu', 'store']);
    const second = await runSetup(root, ['--libtorch-only', '--libtorch-url', nowhere], alone);
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /there already/);
  });

  it('notices a library that was lost, and gets it again', { skip: archivePath === null }, async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    await publish(join(folder, 'host'), pinnedLibtorch.cpu);
    const url = await serveFolder(t, join(folder, 'host'));
    const args = ['--libtorch-only', '--libtorch-url', url];
    assert.equal((await runSetup(root, args, alone)).code, 0);
    const library = join(
      root,
      'vendor/libtorch-cpu/lib',
      process.platform === 'darwin' ? 'libgomp.dylib' : 'libgomp.so',
    );
    const whole = await readFile(library);
    for (const [lose, notice] of [
      [() => writeFile(library, 'cut'), /libgomp\S* has 3 bytes, not 17/],
      [() => rm(library), /libgomp\S* is gone/],
    ] as const) {
      await lose();
      const again = await runSetup(root, args, alone);
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, notice);
      assert.deepEqual(await readFile(library), whole);
    }
  });

  it('replaces one of another version and keeps what a person put there', { skip: archivePath === null }, async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    await writeFakeLibtorch(join(root, 'vendor/libtorch-cpu'), '1.13.1');
    await publish(join(folder, 'host'), pinnedLibtorch.cpu);
    const url = await serveFolder(t, join(folder, 'host'));
    const setup = await runSetup(root, ['--libtorch-only', '--libtorch-url', url], alone);
    assert.equal(setup.code, 0, setup.stderr);
    assert.match(setup.stderr, /it is of version 1\.13\.1, not 2\.13\.0/);
    const aside = (await readdir(join(root, 'vendor'))).find((name) => name.includes('replaced'));
    assert.ok(aside !== undefined);
    assert.match(readFileSync(join(root, 'vendor', aside, 'include/torch/headeronly/version.h'), 'utf8'), /MAJOR 1/);
  });

  it('says all that it tried where nothing can be had, and leaves nothing half done', async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const archive = await publish(join(folder, 'host'), pinnedLibtorch.cpu);
    const bytes = await readFile(archive);
    await writeFile(archive, bytes.subarray(0, bytes.length / 2));
    const url = await serveFolder(t, join(folder, 'host'));
    const setup = await runSetup(root, ['--libtorch-only', '--libtorch-url', url], alone);
    assert.equal(setup.code, 1);
    assert.match(setup.stderr, /No libtorch 2\.13\.0 \(cpu\) could be had\. Tried:/);
    assert.match(setup.stderr, /vendor\/libtorch-cpu: .*is not there/);
    assert.match(setup.stderr, /official archive: .*not a zip archive, or was cut short/);
    assert.match(setup.stderr, /wheel through pip: there is no python3 with pip/);
    assert.match(setup.stderr, /Python's own torch: no Python here has torch installed/);
    assert.match(setup.stderr, /RESNET_TORCH_LIBTORCH=/);
    assert.deepEqual(await readdir(join(root, 'vendor/store')), []);
  });

  it('uses a torch that a Python has installed, when its version matches', async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const torch = await writeFakeLibtorch(join(folder, 'site-packages/torch'), pinnedLibtorch.cpu);
    // Answers as a Python without pip would, that has torch installed.
    const python = join(folder, 'python3');
    await writeFile(python, `#!/bin/sh\n[ "$1" = -c ] && echo '${torch}' || exit 1\n`, { mode: 0o755 });
    const setup = await runSetup(root, ['--libtorch-only', '--libtorch-url', nowhere], { RESNET_TORCH_PYTHON: python });
    assert.equal(setup.code, 0, setup.stderr);
    assert.match(setup.stderr, /from: Python's own torch/);
    assert.equal(realpathSync(join(root, 'vendor/libtorch-cpu')), realpathSync(torch));
  });
});
