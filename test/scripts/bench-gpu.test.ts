import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeUnits } from '../../src/model/units.js';
import { cudaHost } from '../../src/native/variants.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { tinyFolder } from '../training/support/tiny.js';
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
const { boundsOf, bytesOf, inferenceBytesOf, layersOf, operationsOf } = await importScript<{
  inferenceBytesOf(size: number, valueBytes: number, options?: { separateBiases?: boolean }): Bytes;
  layersOf(size: number): readonly Layer[];
  operationsOf(size: number): number;
  bytesOf(size: number, valueBytes: number): Bytes;
  boundsOf(job: { size: number; batch: number; valueBytes: number; bandwidth: number; operations: number }): Bytes;
}>('../bench/gpu/byte-model.mjs');
const { byClass, classOf, normKernels } = await importScript<{
  classOf(name: string): string;
  byClass(profile: readonly Profiled[]): {
    classes: Bytes & { copies: number };
    busy: number;
    longest: readonly Profiled[];
  };
  readonly normKernels: readonly string[];
}>('../bench/gpu/classes.mjs');
const { cardOf, publishedOf } = await importScript<{
  cardOf(device: string): { name: string; bandwidth: number; operations: number } | null;
  publishedOf(device: string): readonly { imagesPerSecond: number }[];
}>('../bench/gpu/cards.mjs');
const { render } = await importScript<{ render(results: object): string }>('../bench/gpu/report.mjs');
const { parseOptions } = await importScript<{
  parseOptions(args: readonly string[]): {
    batches: readonly number[];
    precisions: readonly string[];
    rows: readonly { name: string }[];
    images: number;
  };
}>('../bench/gpu/options.mjs');

const { linkedPhotographs } = await importScript<{
  linkedPhotographs(folder: string, images: { train: number; val: number; drawn: number }): Promise<string>;
}>('../bench/gpu/photographs.mjs');

const { runChild } = await importScript<{
  runChild(
    program: string,
    args: readonly string[],
    options: { limitSeconds: number },
  ): Promise<{ code: number | null; stopped: boolean; stdout: string }>;
}>('../bench/lib/children.mjs');

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

  it('comes to 58 MB an image at most for feature extraction, and to more where biases are operations of their own', () => {
    const total = ({ convolution, norm, rest }: Bytes): number => convolution + norm + rest;
    const bytes = total(inferenceBytesOf(224, 2));
    assert.ok(bytes <= 58e6, `${bytes}`);
    assert.ok(bytes >= 50e6, `${bytes}`);
    const biases = total(inferenceBytesOf(224, 2, { separateBiases: true })) - bytes;
    assert.ok(near(biases, 9e6, 0.05), `${biases}`);
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
    assert.equal(classOf('Memcpy HtoD (Pinned -> Device)'), 'copies');
    assert.equal(classOf('Memcpy DtoH (Device -> Pinned)'), 'copies');
    assert.equal(classOf('Memcpy DtoD (Device -> Device)'), 'rest');
    assert.equal(classOf('Memset (Device)'), 'rest');
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

  it('add up to what the device was busy for, without copies that ran beside it', () => {
    const kernel = (name: string, ms: number): Profiled => ({ name, onDevice: true, count: 1, ms });
    const { classes, busy, longest } = byClass([
      kernel('cudnn_convolve', 5),
      kernel('resnet_torch::cuda::apply<float>', 3),
      kernel('void at::native::fill', 1),
      kernel('Memcpy HtoD (Pinned -> Device)', 20),
      { name: 'aten::conv2d', onDevice: false, count: 1, ms: 100 },
    ]);
    assert.deepEqual(classes, { convolution: 5, norm: 3, rest: 1, copies: 20 });
    assert.equal(busy, 9);
    assert.equal(longest[1]?.name, 'cudnn_convolve');
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
    firstEpochSeconds: 6.5,
    waitingShare: 0.012,
    step: { convolution: 50, norm: 30, rest: 2, idle: 3, copies: 7 },
    longest: [{ name: 'a|kernel', class: 'rest', count: 2, ms: 1 }],
  };
  const results = { device: 'NVIDIA A100-SXM4-80GB', date: '2000-01-01', size: 224, versions: { CUDA: '13.0' } };

  it('shows speeds, bounds of the card, what others published and why something was not run', () => {
    const page = render({ ...results, rows: [row, { what: 'other', precision: 'fp16', batch: 64, notRun: 'no pip' }] });
    assert.match(page, /\| resnet-torch \| bf16 \| 256 \| 3000 \| 1\.2% \| 4\.3 \| 6\.5 \|/);
    assert.match(page, /\| other \| fp16 \| 64 \| not run: no pip \|/);
    assert.match(page, /\| resnet-torch \| bf16 \| 256 \| 50\.0 \(19\.9\) \| 30\.0 \(25\.5\) \| .* \| 3\.0 \| 7\.0 \|/);
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
    assert.throws(() => parseOptions(['--rows', 'ours,other']), /three-channels.*"other"/);
    const { batches, precisions, rows } = parseOptions(['--batch', '32', '--precision', 'fp16', '--no-peer']);
    assert.deepEqual([batches, precisions], [[32], ['fp16']]);
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['ours', 'searched', 'captured', 'three-channels'],
    );
    // An epoch of 16 steps is a sixteenth beginning.
    const usual = parseOptions([]);
    assert.equal(usual.images / Math.max(...usual.batches), 64);
    const wrong = await runProgram(process.execPath, [script, '--bathc', '1']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--help/);
  });

  it('stops a row that takes too long, with all that it has started', async () => {
    const program = 'sleep 600 & echo $!; wait';
    const { code, stopped, stdout } = await runChild('sh', ['-c', program], { limitSeconds: 0.5 });
    assert.deepEqual([code, stopped], [null, true]);
    // One that has ended, and that nobody has asked about yet, is still listed.
    const ended = (): boolean => {
      const file = `/proc/${stdout.trim()}/stat`;
      return !existsSync(file) || / [ZX] /.test(readFileSync(file, 'utf8'));
    };
    while (!ended()) await sleep(20);
    const quick = await runChild('sh', ['-c', 'echo done'], { limitSeconds: 600 });
    assert.deepEqual([quick.code, quick.stopped, quick.stdout], [0, false, 'done\n']);
  });

  it('has photographs enough for long epochs, most of them links to few', async (t) => {
    const folder = join(await temporaryDirectory(t), 'photographs');
    assert.equal(await linkedPhotographs(folder, { train: 9, val: 2, drawn: 4 }), folder);
    const files = readdirSync(join(folder, 'train'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.jpg'),
    );
    assert.equal(files.length, 9);
    assert.equal(new Set(files.map((name) => statSync(join(folder, 'train', name)).ino)).size, 4);
    // Each class has its own.
    const [first, second] = ['evening', 'morning'].map((name) => readdirSync(join(folder, 'train', name)).length);
    assert.deepEqual([first, second], [5, 4]);
    assert.equal(readdirSync(join(folder, 'val', 'morning')).length, 1);
  });

  it('measures what it says it does, plain and with a search: tried on the CPU', async (t) => {
    const data = await tinyFolder(t);
    for (const more of [{}, { search: true }]) {
      const job = {
        data,
        device: 'cpu',
        precision: 'fp32',
        batchSize: 4,
        epochs: 1,
        imageSize: 32,
        resize: 36,
        workers: 1,
      };
      const ours = join(projectRoot, 'bench', 'gpu', 'ours.mjs');
      const { code, stdout, stderr } = await runProgram(process.execPath, [ours, JSON.stringify({ ...job, ...more })]);
      assert.equal(code, 0, stderr);
      const answer = JSON.parse(stdout) as {
        imagesPerSecond: number;
        firstEpochSeconds: number;
        waitingShare: number;
        recorded: { images: number; profile: readonly Profiled[] };
      };
      assert.ok(answer.imagesPerSecond > 0 && answer.firstEpochSeconds > 0, stdout);
      assert.ok(answer.waitingShare >= 0 && answer.waitingShare <= 1, stdout);
      assert.equal(answer.recorded.images, 12);
      assert.ok(answer.recorded.profile.some(({ name, onDevice }) => /conv/.test(name) && !onDevice));
    }
  });

  it('says that there is no GPU, and ends well', { skip: cudaHost().deviceSeen && 'there is a GPU' }, async () => {
    const { code, stderr, stdout } = await runProgram(process.execPath, [script]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /no GPU: not run/);
    assert.equal(stdout, '');
  });
});
