import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { explainLoadFailure } from '../../src/native/explain.js';
import { native } from '../../src/native/load.js';
import { findVips } from '../../src/native/vips.js';
import { projectRoot } from '../support/paths.js';
import { addonPathOf, bareCopy } from './support/copies.js';

const addon = addonPathOf('cpu');

/** What a process of its own says of loading the addon of a copy: a code and a message, or `loaded`. */
async function tryLoad(root: string, env: NodeJS.ProcessEnv = {}): Promise<{ code: string; message: string }> {
  const script = `
    const { native } = await import(${JSON.stringify(join(root, 'dist/src/native/load.js'))});
    let said = { code: 'loaded', message: '' };
    try { native(); } catch (error) { said = { code: error.code, message: error.message }; }
    console.log(JSON.stringify(said));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, RESNET_TORCH_VARIANT: '', ...env },
  });
  return JSON.parse(stdout) as { code: string; message: string };
}

describe('loading the addon', () => {
  it('is done once a thread, and tells of the libtorch it met', () => {
    assert.equal(native(), native());
    const { compiledLibtorch, runtimeLibtorch, variant } = native().info();
    assert.equal(compiledLibtorch, runtimeLibtorch);
    assert.ok(variant === 'cpu' || variant === 'cuda');
  });

  it('works in worker threads side by side', async () => {
    const code = `
      import(${JSON.stringify(join(projectRoot, 'dist/src/native/load.js'))}).then(({ native }) => {
        require('node:worker_threads').parentPort.postMessage(native().info().runtimeLibtorch);
      });`;
    const versions = await Promise.all(
      [0, 1].map(
        () =>
          new Promise<string>((resolve, reject) => {
            const worker = new Worker(code, { eval: true });
            worker.once('message', resolve).once('error', reject);
          }),
      ),
    );
    assert.deepEqual(versions, [native().info().runtimeLibtorch, native().info().runtimeLibtorch]);
  });

  it('says that nothing was built', async (t) => {
    const root = await bareCopy(t, 'cpu');
    const { code, message } = await tryLoad(root);
    assert.equal(code, 'ERR_ADDON_LOAD');
    assert.match(message, /no native addon for .*Run `npx resnet-torch setup`/s);
    const cuda = await tryLoad(root, { RESNET_TORCH_VARIANT: 'cuda' });
    assert.match(cuda.message, /Run `npx resnet-torch setup --device cuda`/);
    const wrong = await tryLoad(root, { RESNET_TORCH_VARIANT: 'tpu' });
    assert.equal(wrong.code, 'ERR_INVALID_ARGUMENT');
  });

  it('says that libtorch is gone', async (t) => {
    const root = await bareCopy(t, 'cpu');
    await copyFile(join(projectRoot, addon), join(root, addon));
    const { code, message } = await tryLoad(root);
    assert.equal(code, 'ERR_LIBTORCH_NOT_FOUND');
    assert.match(message, /`npx resnet-torch setup` puts it in its place/);
    await mkdir(join(root, 'vendor'));
    await symlink(realpathSync(join(projectRoot, 'vendor/libtorch-cpu')), join(root, 'vendor/libtorch-cpu'));
    assert.equal((await tryLoad(root)).code, 'loaded');
  });

  it('says that it met another libtorch', { skip: process.platform !== 'linux' }, async (t) => {
    const root = await bareCopy(t, 'cpu');
    await copyFile(join(projectRoot, addon), join(root, addon));
    const lib = join(root, 'vendor/libtorch-cpu/lib');
    await mkdir(lib, { recursive: true });
    // Libraries of the right names, in which nothing is that the addon needs.
    for (const name of ['libc10.so', 'libtorch_cpu.so']) {
      const args = ['-shared', '-x', 'c++', '/dev/null', `-Wl,-soname,${name}`, '-o', join(lib, name)];
      await promisify(execFile)(process.env.CXX ?? 'c++', args);
    }
    const { code, message } = await tryLoad(root);
    assert.equal(code, 'ERR_LIBTORCH_VERSION', message);
    assert.match(message, /another libtorch.*`npx resnet-torch setup` builds it again/s);
  });

  it('says that the addon is damaged', async (t) => {
    const root = await bareCopy(t, 'cpu');
    await writeFile(join(root, addon), 'not a library');
    const { code, message } = await tryLoad(root);
    assert.equal(code, 'ERR_ADDON_LOAD');
    assert.match(message, /damaged, or for another processor/);
  });

  it('knows other symptoms by what the system says of them', () => {
    for (const [reason, code, message] of [
      ['libgomp.so.1: cannot open shared object file: No such file or directory', 'ERR_LIBTORCH_NOT_FOUND', /libgomp1/],
      ['libcudart.so.13: cannot open shared object file: No such file', 'ERR_LIBTORCH_NOT_FOUND', /CUDA library/],
      ['libjpeg.so.62: cannot open shared object file', 'ERR_ADDON_LOAD', /libjpeg62-turbo/],
      ["/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.node)", 'ERR_ADDON_LOAD', /newer system/],
      ["libstdc++.so.6: version `GLIBCXX_3.4.32' not found", 'ERR_ADDON_LOAD', /newer system/],
      ['libgomp-a34b.so.1: cannot allocate memory in static TLS block', 'ERR_ADDON_LOAD', /LD_PRELOAD/],
      ['x.node: failed to map segment from shared object: Operation not permitted', 'ERR_ADDON_LOAD', /noexec/],
      ['Library not loaded: @rpath/libc10.dylib', 'ERR_LIBTORCH_NOT_FOUND', /libtorch/],
      ['something never seen', 'ERR_ADDON_LOAD', /could not be loaded/],
    ] as const) {
      const error = explainLoadFailure(new Error(reason), 'cpu');
      assert.equal(error.code, code, reason);
      assert.match(error.message, message);
      assert.ok(error.message.includes(reason));
      assert.doesNotMatch(error.message, /RESNET_TORCH_VARIANT/);
      assert.match(
        explainLoadFailure(new Error(reason), 'cuda').message,
        /RESNET_TORCH_VARIANT=cpu takes the CPU variant/,
      );
    }
  });

  it("finds libvips in sharp's packages", () => {
    const path = findVips();
    assert.ok(path !== null && existsSync(path), String(path));
  });
});
