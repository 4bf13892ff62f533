import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describeUnits } from '../../src/model/units.js';
import { cudaHost } from '../../src/native/variants.js';
import { projectRoot } from '../support/paths.js';
import { importScript, runProgram } from './support/script.js';

interface Layer {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly ends: 'stem' | 'relu' | 'add' | 'downsample';
}
interface Bytes {
  readonly convolution: number;
  readonly norm: number;
  readonly rest: number;
}
interface Profiled {
  readonly name: string;
  readonly onDevice: boolean;
  readonly count: number;
  readonly ms: number;
}
const { boundsOf, bytesOf, layersOf, operationsOf } = await importScript<{
  layersOf(size: number): readonly Layer[];
  operationsOf(size: number): number;
  bytesOf(size: number, valueBytes: number): Bytes;
  boundsOf(job: { size: number; batch: number; valueBytes: number; bandwidth: number; operations: number }): Bytes;
}>('../bench/gpu/byte-model.mjs');
const { byClass, classOf, normKernels } = await importScript<{
  classOf(name: string): string;
  byClass(profile: readonly Profiled[]): { classes: Bytes; busy: number; longest: readonly Profiled[] };
  readonly normKernels: readonly string[];
}>('../bench/gpu/classes.mjs');
const { cardOf, publishedOf } = await importScript<{
  cardOf(device: string): { name: string; bandwidth: number; operations: number } | null;
  publishedOf(device: string): readonly { imagesPerSecond: number }[];
}>('../bench/gpu/cards.mjs');
const { render } = await importScript<{ render(results: object): string }>('../bench/gpu/report.mjs');
const { parseOptions } = await importScript<{
  parseOptions(args: readonly string[]): { batches: readonly number[]; precisions: readonly string[]; peer: boolean };
}>('../bench/gpu/options.mjs');

const near = (value: number, expected: number, tolerance: number): boolean =>
  Math.abs(value - expected) <= tolerance * expected;

describe('the byte model of bench:gpu', () => {
  it("has the network's 53 convolutions, in its order and with its sizes", () => {
    const units = describeUnits({ classes: 1000, hidden: [], dropout: 0 });
    const convolutions = units.flatMap((unit) => unit.convolutions);
    const layers = layersOf(224);
    assert.deepEqual(
      layers.map(({ name }) => name),
      convolutions.map((name) => name.replace('downsample.0', 'downsample')),
    );
    assert.equal(layers.at(-1)?.outputs, 2048 * 7 * 7);
    assert.equal(
      layers.reduce((sum, { outputs }) => sum + outputs, 0),
      11_113_984,
    );
  });

  it('comes to the operations and bytes of an image that are known', () => {
    assert.ok(near(operationsOf(224), 24.3e9, 0.01));
    const { convolution, norm } = bytesOf(224, 2);
    assert.ok(near(convolution, 130e6, 0.02), `${convolution}`);
    assert.ok(near(norm, 212e6, 0.05), `${norm}`);
    // But for masks and places, which are bits and bytes of any type, float32 moves twice as much.
    assert.ok(near(bytesOf(224, 4).norm, 2 * norm, 0.03));
    assert.ok(near(bytesOf(112, 2).convolution, convolution / 4, 0.05));
  });

  it('takes arithmetic for the limit where it takes longer', () => {
    const job = { size: 224, batch: 256, valueBytes: 2, bandwidth: 2e12, operations: 312e12 };
    const bounds = boundsOf(job);
    assert.ok(near(bounds.convolution, (1000 * 256 * operationsOf(224)) / 312e12, 1e-9));
    assert.ok(near(bounds.norm, (1000 * 256 * bytesOf(224, 2).norm) / 2e12, 1e-9));
    const fast = boundsOf({ ...job, operations: 1e18 });
    assert.ok(near(fast.convolution, (1000 * 256 * bytesOf(224, 2).convolution) / 2e12, 1e-9));
  });
});

describe("the classes of a profile's kernels", () => {
  it('are told by names', () => {
    const own = 'void resnet_torch::cuda::(anonymous namespace)::';
    assert.equal(classOf(`${own}addReluSums<__nv_bfloat16, 8, true, false>(...)`), 'norm');
    assert.equal(classOf(`${own}normalise<__half, 3, 8>(...)`), 'rest');
    assert.equal(
      classOf('sm80_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x32'),
      'convolution',
    );
    assert.equal(classOf('void cudnn::bn_fw_tr_1C11_kernel_NCHW<float>'), 'norm');
    assert.equal(classOf('Memcpy HtoD (Pinned -> Device)'), 'rest');
    assert.equal(classOf('void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>'), 'rest');
  });

  it('know kernels of ours by names that there are', () => {
    const folder = join(projectRoot, 'native', 'cuda');
    const sources = readdirSync(folder)
      .filter((name) => name.endsWith('.cu'))
      .map((name) => readFileSync(join(folder, name), 'utf8'));
    for (const name of normKernels)
      assert.ok(
        sources.some((text) => new RegExp(`\\b${name}\\b`).test(text)),
        name,
      );
  });

  it('add up to what the device was busy for', () => {
    const kernel = (name: string, ms: number): Profiled => ({ name, onDevice: true, count: 1, ms });
    const { classes, busy, longest } = byClass([
      kernel('cudnn_convolve', 5),
      kernel('resnet_torch::cuda::apply<float>', 3),
      kernel('Memcpy HtoD', 1),
      { name: 'aten::conv2d', onDevice: false, count: 1, ms: 100 },
    ]);
    assert.deepEqual(classes, { convolution: 5, norm: 3, rest: 1 });
    assert.equal(busy, 9);
    assert.equal(longest[0]?.name, 'cudnn_convolve');
  });
});

describe('the page of bench:gpu', () => {
  const row = {
    what: 'resnet-torch',
    precision: 'bf16',
    batch: 256,
    notRun: null,
    imagesPerSecond: 3000.4,
    startSeconds: 4.25,
    step: { convolution: 50, norm: 30, rest: 2, idle: 3 },
    longest: [{ name: 'a|kernel', class: 'rest', count: 2, ms: 1 }],
  };
  const results = { device: 'NVIDIA A100-SXM4-80GB', date: '2000-01-01', size: 224, versions: { CUDA: '13.0' } };

  it('shows speeds, bounds of the card, what others published and why something was not run', () => {
    const page = render({ ...results, rows: [row, { what: 'other', precision: 'fp16', batch: 64, notRun: 'no pip' }] });
    assert.match(page, /\| resnet-torch \| bf16 \| 256 \| 3000 \| 4\.3 \|/);
    assert.match(page, /\| other \| fp16 \| 64 \| not run: no pip \|/);
    assert.match(page, /\| resnet-torch \| bf16 \| 256 \| 50\.0 \(19\.9\) \| 30\.0 \(25\.5\) \|/);
    assert.match(page, /- 2470: NVIDIA, PyTorch/);
    assert.match(page, /a\\\|kernel/);
  });

  it('says that a card is not listed', () => {
    assert.match(render({ ...results, device: 'A card of mine', rows: [row] }), /is not listed/);
    assert.equal(cardOf('A card of mine'), null);
    assert.equal(cardOf('NVIDIA H100 PCIe')?.bandwidth, 2e12);
    assert.deepEqual(publishedOf('NVIDIA L4'), []);
  });
});

describe('npm run bench:gpu', () => {
  const script = join(projectRoot, 'bench', 'gpu.mjs');

  it('refuses what it does not understand, and takes lists', async () => {
    assert.throws(() => parseOptions(['--precision', 'fp64']), /fp64/);
    assert.throws(() => parseOptions(['--batch', '64,x']), /--batch/);
    assert.throws(() => parseOptions(['--images', '100']), /--images/);
    const { batches, precisions, peer } = parseOptions(['--batch', '32', '--precision', 'fp16', '--no-peer']);
    assert.deepEqual([batches, precisions, peer], [[32], ['fp16'], false]);
    const wrong = await runProgram(process.execPath, [script, '--bathc', '1']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--help/);
  });

  it('says that there is no GPU, and ends well', { skip: cudaHost().deviceSeen && 'there is a GPU' }, async () => {
    const { code, stderr, stdout } = await runProgram(process.execPath, [script]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /no GPU: not run/);
    assert.equal(stdout, '');
  });
});
