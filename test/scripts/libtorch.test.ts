import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { writeArchive } from './support/archive.js';
import { fakeLibtorch, writeFakeLibtorch } from './support/libtorch.js';
import { importScript, installedCopy, runSetup } from './support/script.js';
import { serveFolder } from './support/server.js';

interface Pins {
  readonly pinnedLibtorch: { readonly cpu: string; readonly cuda: string };
  officialArchive(variant: 'cpu' | 'cuda', platform?: string, arch?: string): string | null;
  wheelRequirement(variant: 'cpu' | 'cuda', platform?: string): string;
  pinnedWheels(
    variant: 'cpu' | 'cuda',
    platform?: string,
    arch?: string,
  ): { readonly file: string; readonly hashes: ReadonlySet<string> } | null;
}

interface Downloads {
  download(
    url: string,
    file: string,
    rules: { readonly sha256: string | undefined; readonly allowHttp: boolean },
  ): Promise<{ readonly bytes: number }>;
}

interface Wheels {
  placeTorch(name: string): string | null;
  placeNvidia(name: string): string | null;
}

const { pinnedLibtorch, pinnedWheels, officialArchive, wheelRequirement } = await importScript<Pins>('setup/pins.mjs');
const { download } = await importScript<Downloads>('setup/download.mjs');
const { placeNvidia, placeTorch } = await importScript<Wheels>('setup/wheel.mjs');
const archivePath = officialArchive('cpu');
/** Neither the network nor a Python: what a set-up falls back on must not hide what it did. */
const alone = { RESNET_TORCH_PYTHON: '/nowhere/python3' };
const nowhere = 'https://127.0.0.1:1';
/** For a server of this machine, and an archive that was made a moment ago. */
const trusting = ['--allow-http', '--allow-unverified'];

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
    const first = await runSetup(root, ['--libtorch-only', '--libtorch-url', url, ...trusting], alone);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /^WARNING: The archive is taken without a known SHA-256/m);
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
    const args = ['--libtorch-only', '--libtorch-url', url, ...trusting];
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
    const setup = await runSetup(root, ['--libtorch-only', '--libtorch-url', url, ...trusting], alone);
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
    const setup = await runSetup(root, ['--libtorch-only', '--libtorch-url', url, ...trusting], alone);
    assert.equal(setup.code, 1);
    assert.match(setup.stderr, /No libtorch 2\.13\.0 \(cpu\) could be had\. Tried:/);
    assert.match(setup.stderr, /vendor\/libtorch-cpu: .*is not there/);
    assert.match(setup.stderr, / {2}archive: .*not a zip archive, or was cut short/);
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

describe('what set-up downloads', () => {
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  /** An archive on a server of this machine, and a Python that would have had a torch. */
  async function offer(t: Parameters<typeof temporaryDirectory>[0]) {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const archive = await publish(join(folder, 'host'), pinnedLibtorch.cpu);
    const torch = await writeFakeLibtorch(join(folder, 'site-packages/torch'), pinnedLibtorch.cpu);
    const python = join(folder, 'python3');
    await writeFile(python, `#!/bin/sh\n[ "$1" = -c ] && echo '${torch}' || exit 1\n`, { mode: 0o755 });
    const url = await serveFolder(t, join(folder, 'host'));
    const run = (args: readonly string[], env: NodeJS.ProcessEnv = alone) =>
      runSetup(root, ['--libtorch-only', '--libtorch-url', url, ...args], env);
    return { root, hash: sha256(await readFile(archive)), python, run };
  }

  it('is refused where its SHA-256 is not known', { skip: archivePath === null }, async (t) => {
    const { root, run } = await offer(t);
    const setup = await run(['--allow-http']);
    assert.equal(setup.code, 1);
    assert.match(setup.stderr, /the SHA-256 of http\S+ is not known: --sha256 HEX .* --allow-unverified/);
    assert.ok(!existsSync(join(root, 'vendor/libtorch-cpu')));
    const allowed = await run(['--allow-http'], { ...alone, RESNET_TORCH_ALLOW_UNVERIFIED: '1' });
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.match(allowed.stderr, /^WARNING: .* without a known SHA-256/m);
  });

  it('is refused over http', { skip: archivePath === null }, async (t) => {
    const { root, hash, run } = await offer(t);
    const setup = await run(['--sha256', hash]);
    assert.equal(setup.code, 1);
    assert.match(setup.stderr, /http\S+ is no address of https: .*--allow-http takes it all the same/);
    assert.ok(!existsSync(join(root, 'vendor/libtorch-cpu')));
    const allowed = await run(['--sha256', hash], { ...alone, RESNET_TORCH_ALLOW_HTTP: '1' });
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.doesNotMatch(allowed.stderr, /WARNING/);
  });

  it('has the SHA-256 that was asked for, or nothing else is tried', { skip: archivePath === null }, async (t) => {
    const { root, hash, python, run } = await offer(t);
    const other = sha256(Buffer.from('another archive'));
    const setup = await run(['--allow-http', '--sha256', other], { RESNET_TORCH_PYTHON: python });
    assert.equal(setup.code, 1);
    assert.ok(setup.stderr.includes(`its SHA-256 is ${hash}, not ${other}`), setup.stderr);
    assert.doesNotMatch(setup.stderr, /Python's own torch/);
    assert.deepEqual(await readdir(join(root, 'vendor/store')), []);
    // --allow-unverified is for what is not known; it does not excuse what is known to be wrong.
    const allowed = await run(['--sha256', other, ...trusting]);
    assert.equal(allowed.code, 1);
    const upper = await run(['--allow-http', '--sha256', hash.toUpperCase()]);
    assert.equal(upper.code, 0, upper.stderr);
  });

  it('is not what a program in the place of pip says that it is', { skip: pinnedWheels('cpu') === null }, async (t) => {
    const folder = await temporaryDirectory(t);
    const root = await installedCopy(join(folder, 'package'));
    const wheel = join(folder, 'torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl');
    await writeArchive(
      wheel,
      [...fakeLibtorch(pinnedLibtorch.cpu)].map(([path, text]) => ({
        name: `torch/${path}`,
        content: Buffer.from(text),
      })),
    );
    const python = join(folder, 'python3');
    const script = `#!/bin/sh
[ "$3" = --version ] && exit 0
echo "$@" > '${folder}/arguments'
while [ "$1" != --dest ]; do shift; done
cp '${wheel}' "$2"
`;
    await writeFile(python, script, { mode: 0o755 });
    const setup = await runSetup(root, ['--libtorch-only', '--allow-unverified'], { RESNET_TORCH_PYTHON: python });
    assert.equal(setup.code, 1);
    const hash = sha256(await readFile(wheel));
    assert.ok(setup.stderr.includes(`its SHA-256 is ${hash}, not one of those in`), setup.stderr);
    assert.match(await readFile(join(folder, 'arguments'), 'utf8'), / --no-deps --require-hashes .* --requirement /);
    assert.deepEqual(await readdir(join(root, 'vendor/store')), []);
  });

  it('has a hash for every wheel of the system that is tested', () => {
    for (const [variant, count] of [
      ['cpu', 1],
      ['cuda', 16],
    ] as const) {
      const pinned = pinnedWheels(variant, 'linux', 'x64');
      assert.ok(pinned !== null);
      const lines = readFileSync(pinned.file, 'utf8').split('\n');
      const names = lines.filter((line) => /^[a-z]/.test(line));
      assert.ok(names.every((line) => /^[a-z\d-]+==[\d.]+(\+cpu)? \\$/.test(line)));
      assert.deepEqual([names.length, pinned.hashes.size], [count, count]);
      assert.ok(names[0]?.startsWith(wheelRequirement(variant, 'linux')));
    }
    assert.equal(pinnedWheels('cpu', 'darwin', 'arm64'), null);
  });

  describe('by redirects', () => {
    const to = (location: string) => new Response(null, { status: 302, headers: { location } });
    const steps = (t: TestContext, ...answers: readonly Response[]) => {
      const left = [...answers];
      return t.mock.method(globalThis, 'fetch', async () => left.shift() ?? to('https://c.example/again'));
    };
    const fetched = async (t: TestContext, allowHttp = false, url = 'https://a.example/x.zip') => {
      const file = join(await temporaryDirectory(t), 'x.zip');
      await download(url, file, { sha256: undefined, allowHttp });
      return readFile(file, 'utf8');
    };

    it('follows one to another https host', async (t) => {
      const mock = steps(t, to('https://b.example/y.zip'), to('z.zip'), new Response('bytes'));
      assert.equal(await fetched(t), 'bytes');
      const addresses = mock.mock.calls.map(({ arguments: [address] }) => String(address));
      assert.deepEqual(addresses, ['https://a.example/x.zip', 'https://b.example/y.zip', 'https://b.example/z.zip']);
    });

    it('refuses one from https to http, --allow-http or not', async (t) => {
      for (const allowHttp of [false, true]) {
        const mock = steps(t, to('http://b.example/y.zip'), new Response('bytes'));
        await assert.rejects(fetched(t, allowHttp), /redirects from https to http:\/\/b\.example\/y\.zip/);
        assert.equal(mock.mock.callCount(), 1);
        mock.mock.restore();
      }
    });

    it('refuses one to a file or a program of its own', async (t) => {
      steps(t, to('file:///etc/passwd'));
      await assert.rejects(fetched(t, true, 'http://a.example/x.zip'), /file:\S+ is no address of https/);
    });

    it('ends a ring', async (t) => {
      steps(t);
      await assert.rejects(fetched(t), /redirects more than 5 times/);
    });
  });
});
