import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importScript } from './support/script.js';

interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

interface Outcome {
  readonly name: string;
  readonly date: string;
  readonly notRun: string | null;
  readonly [figure: string]: unknown;
}

interface Results {
  readonly machines: Readonly<
    Record<
      string,
      { readonly rows: Readonly<Record<string, Outcome>>; readonly scaling: Readonly<Record<string, Outcome>> }
    >
  >;
}

type Machine = typeof machine;

const { median, pairedRatio } = await importScript<{
  median(values: readonly number[]): number;
  pairedRatio(ours: readonly number[], peers: readonly number[], better: 'lower' | 'higher'): Ratio;
}>('../bench/lib/statistics.mjs');
const { forwardOperations, trainingOperations, units } = await importScript<{
  units: readonly string[];
  forwardOperations(size?: number, widths?: readonly number[]): readonly number[];
  trainingOperations(frozen: number, cached?: boolean): number;
}>('../bench/lib/network.mjs');
const { mergeResults } = await importScript<{ mergeResults(old: Results, of: Machine, fresh: object): Results }>(
  '../bench/lib/results.mjs',
);
const { machineId, parseCpuinfo } = await importScript<{
  parseCpuinfo(text: string): {
    readonly vendor: string | null;
    readonly family: number | null;
    readonly model: number | null;
    readonly instructionSets: readonly string[];
  };
  machineId(processor: object): string;
}>('../bench/lib/processor.mjs');
const { leastOperations, shareOfLimit } = await importScript<{
  leastOperations(job: string, setting: object): number;
  shareOfLimit(row: object, outcome: object, of: object, figures: readonly number[]): number | null;
}>('../bench/lib/limits.mjs');
const { remarksOf, renderResults } = await importScript<{
  renderResults(results: Results, remarks?: string): string;
  remarksOf(page: string): string;
}>('../bench/lib/report.mjs');
const { axisTicks, drawChart } = await importScript<{
  axisTicks(low: number, high: number, log: boolean): readonly number[];
  drawChart(chart: object): string;
}>('../bench/lib/plot.mjs');
const { parseOptions } = await importScript<{
  parseOptions(args: readonly string[]): {
    readonly epochs: number;
    readonly peerEpochs: number;
    readonly chosen: { readonly rows: readonly { readonly name: string }[]; readonly scaling: readonly string[] };
  };
}>('../bench/lib/options.mjs');

const machine = {
  id: 'amd-avx512-bf16-2-cores',
  processor: {
    name: 'a processor',
    vendor: 'AMD' as string | null,
    family: 25 as number | null,
    model: 17 as number | null,
    cores: 2,
    instructionSets: ['avx2', 'avx512_bf16'],
    caches: ['L2 1024K'],
  },
  memoryGiB: 8,
  fastBf16: true,
  rates: { bf16: { one: 2e11, all: 4e11 }, fp32: { one: 5e10, all: 1e11 } } as null | Record<
    'bf16' | 'fp32',
    { one: number | null; all: number }
  >,
  freshPageMicroseconds: 0.25,
};
const conditions = { system: 'linux', load: 0, versions: { node: '20' } };
const none: Results = { machines: {} };

function measured(name: string, ours: readonly number[], peer: readonly number[]): Outcome {
  return {
    name,
    date: '2026-01-31T00:00:00.000Z',
    notRun: null,
    conditions,
    setting: { images: 'photographs', train: 244, val: 153, checkpoint: 'random', epochs: 10, size: 224, batch: 32 },
    ours,
    peer,
    ratio: pairedRatio(ours, peer, 'lower'),
    oursTop1: [0.8],
    peerTop1: [0.79],
    oursPeakBytes: [2 ** 30],
    peerPeakBytes: [2 ** 31],
  };
}

const absent = (name: string): Outcome => ({ name, date: '2026-02-01', notRun: 'it | could\nnot be had', conditions });

describe('the benchmark: figures', () => {
  it('have a median', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.throws(() => median([]), RangeError);
  });

  it('are divided pair by pair, so that above 1 is in our favour', () => {
    assert.deepEqual(pairedRatio([1, 2, 4], [2, 8, 4], 'lower'), { median: 2, min: 1, max: 4 });
    assert.deepEqual(pairedRatio([10, 30], [5, 10], 'higher'), { median: 2.5, min: 2, max: 3 });
    assert.throws(() => pairedRatio([1], [1, 2], 'lower'), RangeError);
  });

  it('know the operations of the network', () => {
    const forward = forwardOperations();
    assert.equal(units.length, 18);
    assert.equal(forward.length, 18);
    const whole = forward.reduce((sum, value) => sum + value, 0);
    assert.ok(Math.abs(whole / 8.18e9 - 1) < 0.01, String(whole));
    assert.equal(trainingOperations(0), 3 * whole);
    assert.ok(trainingOperations(17) < 1.01 * whole);
    assert.ok(trainingOperations(17, true) < 0.01 * whole);
  });
});

describe('the benchmark: the machine', () => {
  const cpuinfo = [
    'processor\t: 0',
    'vendor_id\t: AuthenticAMD',
    'cpu family\t: 25',
    'model\t\t: 17',
    'model name\t: AMD EPYC',
    'flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 unknown_set',
  ].join('\n');

  it('is told by what the system says of it', () => {
    const found = parseCpuinfo(cpuinfo);
    assert.deepEqual(found, {
      vendor: 'AMD',
      family: 25,
      model: 17,
      instructionSets: ['avx2', 'avx512f', 'avx512_bf16'],
    });
    assert.equal(machineId({ name: 'AMD EPYC', cores: 2, ...found }), 'amd-25-17-2-cores');
  });

  it('has a name where the system says nothing', () => {
    const found = parseCpuinfo('');
    assert.deepEqual(found, { vendor: null, family: null, model: null, instructionSets: [] });
    assert.equal(machineId({ name: 'Apple M3', cores: 8, ...found }), 'apple-m3-8-cores');
  });

  it('sets a limit: the fewest operations of a row at the faster of its rates', () => {
    const setting = { train: 100, val: 50, epochs: 10, size: 224 };
    const forward = forwardOperations().reduce((sum, value) => sum + value, 0);
    const frozen = leastOperations('feature-extraction', setting);
    assert.ok(frozen > 149 * forward && frozen < 152 * forward, 'each image passes the backbone once');
    const all = leastOperations('differential', setting);
    assert.ok(all < 10 * (3 * 100 + 50) * forward && all > 10 * (2.9 * 100 + 50) * forward);
    const jobs = ['feature-extraction', 'layer4', 'partial', 'differential'];
    const costs = jobs.map((job) => leastOperations(job, setting));
    assert.deepEqual(
      [...costs].sort((a, b) => a - b),
      costs,
      'what trains more costs more',
    );

    const prediction = { kind: 'prediction' };
    const share = shareOfLimit(prediction, { setting: { size: 224 } }, machine, [4e11 / forward / 2]);
    assert.ok(share !== null && Math.abs(share - 0.5) < 1e-9);
    const training = { kind: 'training', job: 'differential' };
    const half = shareOfLimit(training, { setting }, machine, [(2 * all) / 4e11]);
    assert.ok(half !== null && Math.abs(half - 0.5) < 1e-9);
    assert.equal(shareOfLimit(prediction, { setting: { size: 224 } }, { ...machine, rates: null }, [1]), null);
    assert.equal(shareOfLimit({ kind: 'loading' }, { setting: { size: 224 } }, machine, [1]), null);
  });
});

describe('the benchmark: results', () => {
  const rowsOf = (results: Results) => results.machines[machine.id]?.rows ?? {};

  it('are merged by name', () => {
    const old = mergeResults(none, machine, { rows: [measured('a', [1], [2]), absent('b')] });
    const fresh = mergeResults(old, machine, { rows: [measured('b', [1], [3]), measured('c', [1], [4])] });
    assert.deepEqual(Object.keys(rowsOf(fresh)), ['a', 'b', 'c']);
    assert.equal(rowsOf(fresh).b?.notRun, null);
    assert.equal(rowsOf(old).b?.notRun, 'it | could\nnot be had', 'what is merged into stays as it was');
  });

  it('keep figures that were taken when a row cannot be run again', () => {
    const old = mergeResults(none, machine, { rows: [measured('a', [1], [2])] });
    assert.equal(rowsOf(mergeResults(old, machine, { rows: [absent('a')] })).a?.notRun, null);
  });

  it('of several machines stand beside each other', () => {
    const other = {
      ...machine,
      id: 'other',
      processor: { ...machine.processor, model: 1, instructionSets: ['avx2'] },
      rates: { bf16: { one: 1e9, all: 2e9 }, fp32: { one: 1e11, all: 2e11 } },
    };
    const first = mergeResults(none, machine, { rows: [measured('differential/best', [100], [250])] });
    const both = mergeResults(first, other, { rows: [measured('differential/best', [400], [520])] });
    const lines = renderResults(both)
      .split('\n')
      .filter((line) => line.startsWith('| differential | torchvision, best known settings |'));
    assert.equal(lines.length, 2);
    assert.match(String(lines[0]), /family 25 model 17 .*\*\*2\.50×\*\*.*3×, \*\*missed/);
    // A target belongs to the machine that it was set on.
    assert.match(String(lines[1]), /family 25 model 1 .*\*\*1\.30×\*\*/);
    assert.doesNotMatch(String(lines[1]), /missed|kept/);
    for (const model of [17, 1])
      assert.match(renderResults(both), new RegExp(`\\| AMD family 25 model ${model} \\| 2, 8 GiB`));
  });

  it('become a page that names what is not run, and why', () => {
    const fast = measured('differential/best', [1, 1, 1], [4, 5, 6]);
    const slow = measured('differential/kept', [1, 1, 1], [1, 1.2, 1.25]);
    const page = renderResults(mergeResults(none, machine, { rows: [fast, slow, absent('differential/keras')] }));
    assert.match(
      page,
      /\| differential \| torchvision, best known settings \| AMD family 25 model 17 \| 10 \|.*\*\*5\.00×\*\*.*3×, kept/,
    );
    assert.match(page, /pages kept \| AMD family 25 model 17 \| 10 \|.*\*\*1\.20×\*\*.*1\.3×, \*\*missed\*\*/);
    assert.match(page, /Keras \| not run: it \\\| could not be had \|/);
    assert.match(page, /\| differential \| AMD family 25 model 17 \| 1\.00 GiB \| 2\.00 GiB \| \*\*0\.50\*\* \|/);
    const cells = page.split('\n').filter((line) => line.startsWith('|'));
    for (const line of cells) assert.ok(line.endsWith('|'), line);
  });
});

describe('the benchmark: serving', () => {
  const rate = { ...measured('serve/rate', [60, 66], [30, 30]), oursP99: [100, 110], peerP99: [120, 130] };
  const overload = (failures: number) => ({
    ...absent('serve/overload'),
    notRun: null,
    ours: [60],
    oursP99: [4000],
    overload: { seconds: 300, bearable: 62.04, offered: 124.1, statuses: { 200: 18000, 429: 19000 }, failures },
  });
  const page = (rows: readonly Outcome[]) => renderResults(mergeResults(none, machine, { rows }));

  it('is told with its p99s', () => {
    const ratio = pairedRatio([60, 66], [30, 30], 'higher');
    const text = page([{ ...rate, ratio }]);
    assert.match(text, /\| 63\.0\/s \| 30\.0\/s \| \*\*2\.10×\*\* \|.*1\.5×, kept \| 105 ms, 125 ms \|/);
  });

  it('is told with what failed under overload', () => {
    assert.match(page([overload(0)]), /twice the load.*\| kept \| 4000 ms \|/);
    assert.match(
      page([overload(0)]),
      /at 124\.1 requests a second, twice the 62\.0.*for 300 s: answered were 18000 with 200, 19000 with 429; 0 failed/,
    );
    assert.match(page([overload(3)]), /twice the load.*\*\*missed\*\*/);
  });
});

describe('the benchmark: decoding', () => {
  it('is told by size and view, by kind of JPEG, the qualities behind each other', () => {
    const kind = { sampling: '4:2:0', coding: 'baseline', view: 'train', fileBytes: 60_000 };
    const decoded = [
      { ...kind, quality: 95, imagesPerSecond: 9.44 },
      { ...kind, quality: 75, imagesPerSecond: 1041.4 },
      { ...kind, quality: 90, coding: 'progressive', view: 'evaluation', imagesPerSecond: 200.2 },
    ];
    const row = { ...absent('decoding/500x375'), notRun: null, decoded };
    const page = renderResults(mergeResults(none, machine, { rows: [row, absent('decoding/64x64')] }));
    assert.match(
      page,
      /\| JPEGs \| view \| machine \| baseline, 4:2:0 \| baseline, 4:4:4 \| progressive, 4:2:0 \| progressive, 4:4:4 \|/,
    );
    assert.match(
      page,
      /\| 500×375 \| training \| AMD family 25 model 17 \| 1041, 9\.4 \| {2}\| {2}\| {2}\| 2026-02-01 \|/,
    );
    assert.match(page, /\| 500×375 \| evaluation \| AMD family 25 model 17 \| {2}\| {2}\| 200 \| {2}\| 2026-02-01 \|/);
    assert.match(page, /\| 64×64 \| \| not run: it \\\| could not be had \|/);
    const { chosen } = parseOptions(['--only', 'decoding']);
    assert.equal(chosen.rows.length, 6);
    assert.equal(chosen.scaling.length, 0);
  });
});

describe('the benchmark: remarks', () => {
  it('outlive the page that they were written on', () => {
    const page = renderResults(none, 'One row falls short.\n\nIt is known why.');
    assert.equal(renderResults(none, remarksOf(page)), page);
    assert.equal(remarksOf(renderResults(none)), '');
  });
});

describe('the benchmark: plots', () => {
  it('have axes that are easy to read', () => {
    assert.deepEqual(axisTicks(1, 100, true), [1, 2, 5, 10, 20, 50, 100]);
    assert.deepEqual(axisTicks(0, 10, false), [0, 2, 4, 6, 8, 10]);
  });

  it('are drawn with every point, bounds dashed', () => {
    const points = [
      [1, 2],
      [10, 20],
    ];
    const series = [
      { label: 'ours & theirs', points },
      { label: 'limit', limit: true, points },
    ];
    const svg = drawChart({ title: 'a < b', x: 'x', y: 'y', logX: true, series });
    assert.match(svg, /a &lt; b/);
    assert.match(svg, /ours &amp; theirs/);
    assert.equal(svg.match(/<circle/g)?.length, 2);
    assert.match(svg, /stroke-dasharray/);
    assert.doesNotMatch(svg, /NaN|Infinity/);
    assert.throws(() => drawChart({ title: 't', x: 'x', y: 'y', series: [] }), RangeError);
  });
});

describe('the benchmark: command line', () => {
  it('chooses jobs, rows and curves by name', () => {
    const { chosen } = parseOptions(['--only', 'layer4,differential/keras,scaling/frozen']);
    const names = chosen.rows.map(({ name }) => name);
    assert.deepEqual(names, ['layer4/best', 'layer4/kept', 'layer4/compile', 'layer4/tutorial', 'differential/keras']);
    assert.deepEqual(chosen.scaling, ['frozen']);
    assert.equal(parseOptions(['--only', 'table']).chosen.scaling.length, 0);
    assert.equal(parseOptions(['--only', 'scaling']).chosen.rows.length, 0);
  });

  it('refuses what it does not know', () => {
    assert.throws(() => parseOptions(['--only', 'everything']), /--only knows no "everything"/);
    assert.throws(() => parseOptions(['--repeats', '0']), /--repeats takes a whole number of 1 or more/);
    assert.throws(() => parseOptions(['--fast']), TypeError);
  });

  it('runs as many epochs against long peers as it is told', () => {
    assert.deepEqual(
      [parseOptions([]).peerEpochs, parseOptions(['--epochs', '5', '--peer-epochs', '2']).peerEpochs],
      [10, 2],
    );
  });
});
