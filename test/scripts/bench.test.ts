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
  readonly rows: Readonly<Record<string, Outcome>>;
  readonly scaling: Readonly<Record<string, Outcome>>;
}

const { median, pairedRatio } = await importScript<{
  median(values: readonly number[]): number;
  pairedRatio(ours: readonly number[], peers: readonly number[], better: 'lower' | 'higher'): Ratio;
}>('../bench/lib/statistics.mjs');
const { forwardOperations, trainingOperations, units } = await importScript<{
  units: readonly string[];
  forwardOperations(size?: number, widths?: readonly number[]): readonly number[];
  trainingOperations(frozen: number, cached?: boolean): number;
}>('../bench/lib/network.mjs');
const { mergeResults } = await importScript<{ mergeResults(old: Results, fresh: object): Results }>(
  '../bench/lib/results.mjs',
);
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
  processor: 'a processor',
  cores: 2,
  memoryGiB: 8,
  system: 'linux',
  load: 0,
  versions: { node: '20' },
};

function measured(name: string, ours: readonly number[], peer: readonly number[]): Outcome {
  return {
    name,
    date: '2026-01-31T00:00:00.000Z',
    notRun: null,
    machine,
    setting: { images: 'photographs', checkpoint: 'random', epochs: 10, size: 224, batch: 32 },
    ours,
    peer,
    ratio: pairedRatio(ours, peer, 'lower'),
    oursTop1: [0.8],
    peerTop1: [0.79],
    oursPeakBytes: [2 ** 30],
    peerPeakBytes: [2 ** 31],
  };
}

const absent = (name: string): Outcome => ({ name, date: '2026-02-01', notRun: 'it | could\nnot be had', machine });

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

describe('the benchmark: results', () => {
  it('are merged by name', () => {
    const old = mergeResults({ rows: {}, scaling: {} }, { rows: [measured('a', [1], [2]), absent('b')] });
    const fresh = mergeResults(old, { rows: [measured('b', [1], [3]), measured('c', [1], [4])] });
    assert.deepEqual(Object.keys(fresh.rows), ['a', 'b', 'c']);
    assert.equal(fresh.rows.b?.notRun, null);
    assert.equal(old.rows.b?.notRun, 'it | could\nnot be had', 'what is merged into stays as it was');
  });

  it('keep figures that were taken when a row cannot be run again', () => {
    const old: Results = { rows: { a: measured('a', [1], [2]) }, scaling: {} };
    assert.equal(mergeResults(old, { rows: [absent('a')] }).rows.a?.notRun, null);
  });

  it('become a page that names what is not run, and why', () => {
    const fast = measured('differential/best', [1, 1, 1], [4, 5, 6]);
    const slow = measured('differential/kept', [1, 1, 1], [1, 1.2, 1.25]);
    const page = renderResults(
      mergeResults({ rows: {}, scaling: {} }, { rows: [fast, slow, absent('differential/keras')] }),
    );
    assert.match(page, /\| differential \| torchvision, best known settings \| 10 \|.*\*\*5\.00×\*\*.*3×, kept/);
    assert.match(page, /pages kept \| 10 \|.*\*\*1\.20×\*\*.*1\.3×, \*\*missed\*\*/);
    assert.match(page, /Keras \| not run: it \\\| could not be had \|/);
    assert.match(page, /\| differential \| 1\.00 GiB \| 2\.00 GiB \| \*\*0\.50\*\* \|/);
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
  const page = (rows: readonly Outcome[]) => renderResults(mergeResults({ rows: {}, scaling: {} }, { rows }));

  it('is told with its p99s', () => {
    const ratio = pairedRatio([60, 66], [30, 30], 'higher');
    const text = page([{ ...rate, ratio }]);
    assert.match(text, /\| 63\.0\/s \| 30\.0\/s \| \*\*2\.10×\*\* \|.*1\.5×, kept \| 105 ms, 125 ms \|/);
  });

  it('is told with what failed under overload', () => {
    assert.match(page([overload(0)]), /twice the load.*\| kept \| 4000 ms \|/);
    assert.match(
      page([overload(0)]),
      /At 124\.1 requests a second, twice the 62\.0.*for 300 s: answered were 18000 with 200, 19000 with 429; 0 failed/,
    );
    assert.match(page([overload(3)]), /twice the load.*\*\*missed\*\*/);
  });
});

describe('the benchmark: remarks', () => {
  it('outlive the page that they were written on', () => {
    const page = renderResults({ rows: {}, scaling: {} }, 'One row falls short.\n\nIt is known why.');
    assert.equal(renderResults({ rows: {}, scaling: {} }, remarksOf(page)), page);
    assert.equal(remarksOf(renderResults({ rows: {}, scaling: {} })), '');
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
    assert.deepEqual(names, ['layer4/best', 'layer4/kept', 'layer4/tutorial', 'differential/keras']);
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
