import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { builtVariants, chooseVariant, cudaHost, driverVersion } from '../../src/native/variants.js';
import { temporaryDirectory } from '../support/paths.js';

const bare = { deviceSeen: false, driver: null, visible: null };
const card = { deviceSeen: true, driver: '580.65.06', visible: null };

describe('the variant that is loaded', () => {
  it('is the only one there is, on any machine', () => {
    for (const host of [bare, card]) {
      assert.equal(chooseVariant(undefined, ['cpu'], host), 'cpu');
      assert.equal(chooseVariant(undefined, ['cuda'], host), 'cuda');
      assert.equal(chooseVariant(undefined, [], host), 'cpu');
    }
  });

  it('of both is CUDA where a device may answer', () => {
    const both = ['cpu', 'cuda'] as const;
    assert.equal(chooseVariant(undefined, both, bare), 'cpu');
    assert.equal(chooseVariant('', both, card), 'cuda');
    assert.equal(chooseVariant(undefined, both, { ...card, visible: '1' }), 'cuda');
    for (const visible of ['', '-1']) assert.equal(chooseVariant(undefined, both, { ...card, visible }), 'cpu');
  });

  it('is what RESNET_TORCH_VARIANT says, there or not', () => {
    assert.equal(chooseVariant('cpu', ['cuda'], card), 'cpu');
    assert.equal(chooseVariant('cuda', ['cpu'], bare), 'cuda');
    assert.throws(() => chooseVariant('tpu', ['cpu'], bare), { code: 'ERR_INVALID_ARGUMENT', message: /"tpu"/ });
  });

  it('is built where an addon lies, not where a build was begun', async (t) => {
    const root = await temporaryDirectory(t);
    assert.deepEqual(builtVariants(root), []);
    const build = join(root, 'addons/cpu/build/Release');
    const prebuilt = join(root, `addons/cuda/prebuilds/${process.platform}-${process.arch}`);
    for (const folder of [build, prebuilt]) await mkdir(folder, { recursive: true });
    assert.deepEqual(builtVariants(root), []);
    await writeFile(join(prebuilt, 'resnet-torch.glibc.node'), '');
    assert.deepEqual(builtVariants(root), ['cuda']);
    await writeFile(join(build, 'resnet_torch.node'), '');
    assert.deepEqual(builtVariants(root), ['cpu', 'cuda']);
  });
});

describe("the driver's version", () => {
  it('is read from what its kernel module says', () => {
    const closed =
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  12.2.0\n';
    assert.equal(driverVersion(closed), '550.54.15');
    const open =
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22)  Sun Jul 27\n';
    assert.equal(driverVersion(open), '580.65.06');
    assert.equal(driverVersion('something else'), null);
  });

  it('is asked for without a library', () => {
    const { deviceSeen, driver } = cudaHost();
    assert.equal(typeof deviceSeen, 'boolean');
    assert.ok(driver === null || /^\d/.test(driver));
  });
});
