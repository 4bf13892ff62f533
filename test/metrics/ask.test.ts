import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { measureAsked, reasonAgainst, requireMetric, requireRoom } from '../../src/metrics/ask.js';
import { confusionMatrix, MOST_CONFUSED, requireConfusable } from '../../src/metrics/confusion.js';
import { type EvaluatedPart, Tally } from '../../src/metrics/counts.js';
import { rankedKeys } from '../../src/metrics/ranking.js';
import { METRIC_NAMES, metricOf } from '../../src/metrics/registry.js';

const refused = (message: RegExp) => ({ code: 'ERR_INVALID_ARGUMENT', message });

/** The data has b, a and an unseen c; the model knows z, a, b and y, and takes an image for y. */
const TRUTH = { labelOf: (index: number) => [0, 1, 1, 0][index] ?? -1, classes: 3, classOfOutput: [-1, 1, 0, -1] };
const OUTPUTS = ['z', 'a', 'b', 'y'];
const PARTS: readonly EvaluatedPart[] = [
  { images: 2, lossSum: 1, top1: 1, top5: 2, indices: [2, 0], predictions: [1, 3] },
  { images: 2, lossSum: 1, top1: 1, top5: 2, indices: [1, 3], predictions: [2, 2] },
];

describe('metrics that are asked for', () => {
  it('are known by name, or the nearest is told', () => {
    for (const name of METRIC_NAMES) assert.equal(requireMetric(name, 'metrics[0]'), name);
    assert.equal(requireMetric('top12', 'metrics[0]'), 'top12');
    assert.throws(
      () => requireMetric('rocauc', 'metrics[0]'),
      refused(/metrics\[0\].*"rocauc".*Did you mean roc-auc\?/),
    );
    assert.throws(() => requireMetric('f1', '--metrics'), refused(/^--metrics.*Did you mean f1-macro\?/));
    assert.throws(() => requireMetric('precision', '--metrics'), refused(/Did you mean precision-macro\?/));
    for (const wrong of ['top0', 'top', 'top-3', 'top03', '', 7, null]) {
      assert.throws(() => requireMetric(wrong, '--metrics'), refused(/top and a number, such as top3/));
    }
  });

  it('have keys and titles of their own', () => {
    const rows = [...METRIC_NAMES, 'top3' as const].map(metricOf);
    for (const of of ['name', 'key', 'title'] as const)
      assert.equal(new Set(rows.map((row) => row[of])).size, rows.length);
    for (const { range, better } of rows) assert.ok(range[0] < range[1] && ['higher', 'lower'].includes(better));
  });

  it('are null with a reason where they say nothing, and named once', async () => {
    const tally = new Tally(TRUTH);
    for (const part of PARTS) tally.add(part);
    const asked = ['top4', 'f1-macro', 'roc-auc', 'f1-macro'] as const;
    const { figures, notes } = await measureAsked(asked, tally, OUTPUTS);
    assert.deepEqual(Object.keys(figures), ['top4', 'f1Macro', 'rocAuc']);
    assert.deepEqual([figures.top4, figures.rocAuc], [null, null]);
    // sklearn.metrics.f1_score(['a', 'b', 'a', 'b'], ['a', 'y', 'b', 'b'], average='macro'): y counts, z and c do not.
    assert.ok(Math.abs((figures.f1Macro ?? 0) - (2 / 3 + 1 / 2 + 0) / 3) < 1e-15);
    assert.deepEqual(
      notes.map(({ code }) => code),
      ['metric-says-nothing', 'metric-says-nothing'],
    );
    assert.match(notes[0]?.message ?? '', /^top4 .*4 classes.*4 likeliest/);
    assert.match(notes[1]?.message ?? '', /^roc-auc .*no image of z and 1 more$/);
  });

  it('say before any image is read what the number of outputs rules out', () => {
    assert.equal(reasonAgainst('roc-auc', { outputs: 3 }, []), undefined);
    assert.equal(reasonAgainst('kappa', { outputs: 3 }, []), undefined);
    assert.match(reasonAgainst('roc-auc', { outputs: 1 }, []) ?? '', /knows one class/);
    assert.match(reasonAgainst('top3', { outputs: 3 }, []) ?? '', /3 classes/);
    assert.equal(reasonAgainst('top3', { outputs: 4 }, []), undefined);
  });

  it('are refused where their probabilities would not fit', () => {
    requireRoom(['f1-macro', 'loss'], 1e7, 1e6);
    requireRoom(['f1-macro', 'brier'], 1e6, 1000);
    assert.throws(() => requireRoom(['f1-macro', 'brier'], 1e7, 1000), refused(/brier.*37\.3 GiB.*4\.0/));
  });

  it('give others their turn', async (t) => {
    const probabilities = new Float32Array(2 * 4).fill(1 / 4);
    const parts = Array.from({ length: 6 }, () => ({ labels: Int32Array.of(0, 1), probabilities }));
    const tally = new Tally({ labelOf: () => 0, classes: 4, classOfOutput: [0, 1, 2, 3] });
    // A clock by which each part takes a second.
    let seconds = 0;
    t.mock.method(performance, 'now', () => 1000 * seconds++);
    let turns = 0;
    const others = () => {
      turns++;
      turn = setImmediate(others);
    };
    let turn = setImmediate(others);
    await measureAsked(['brier'], { counts: tally.counts, scores: { outputs: 4, parts } }, []);
    clearImmediate(turn);
    assert.ok(turns >= parts.length - 1, `${turns} turns`);
  });
});

describe('the calibration error', () => {
  it('has a probability of 1 in the last bin, with those that are almost', async () => {
    const tally = new Tally({ labelOf: (index) => index, classes: 2, classOfOutput: [0, 1] });
    // Wrong with 1, right with 0.96875: together they are 0.484375 off, apart 0.515625.
    const probabilities = Float32Array.of(0, 1, 0.03125, 0.96875);
    tally.add({ images: 2, lossSum: 0, top1: 1, top5: 2, indices: [0, 1], predictions: [1, 1], probabilities });
    const { figures } = await measureAsked(['ece'], tally, ['a', 'b']);
    assert.equal(figures.ece, 0.484375);
  });
});

describe('the order of probabilities', () => {
  it('is that of the numbers, down to the last bit, with the class in the lowest', () => {
    const values = [1, 0, 0.5, 0.5 + 2 ** -24, 2 ** -149, 1 - 2 ** -24, 1e-20, 0.5, 2 ** -10, 0.25];
    const probabilities = Float32Array.from(values.flatMap((value) => [value, 1 - value]));
    const labels = Int32Array.from(values, (_, i) => i % 2);
    const keys = rankedKeys({ outputs: 2, parts: [{ labels, probabilities }] }, 0);
    const bits = new Uint32Array(1);
    const found = Array.from(keys, (key) => {
      bits[0] = key >>> 1;
      return [new Float32Array(bits.buffer)[0] ?? Number.NaN, key & 1] as const;
    });
    const expected = values
      .map((_, i) => [probabilities[2 * i] ?? 0, i % 2 === 0 ? 1 : 0] as const)
      .sort(([a, ofA], [b, ofB]) => a - b || ofA - ofB);
    assert.deepEqual(found, expected);
  });
});

describe('a confusion matrix', () => {
  it('has the classes of the data, and those of the model that images were taken for', () => {
    const { labels, counts } = confusionMatrix(PARTS, TRUTH, ['b', 'a', 'c'], OUTPUTS);
    assert.deepEqual(labels, ['b', 'a', 'c', 'y']);
    assert.deepEqual(counts, [
      [1, 0, 0, 1],
      [1, 1, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
  });

  it('is refused where it would have too many cells', () => {
    requireConfusable(MOST_CONFUSED);
    assert.throws(() => requireConfusable(MOST_CONFUSED + 1), refused(/--confusion.*4097 × 4097/));
  });
});
