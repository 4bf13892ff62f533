import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { measureAsked } from '../../src/metrics/ask.js';
import { confusionMatrix } from '../../src/metrics/confusion.js';
import { type EvaluatedPart, Tally, type Truth } from '../../src/metrics/counts.js';
import { perClass } from '../../src/metrics/per-class.js';
import { METRIC_NAMES, type MetricName, metricOf } from '../../src/metrics/registry.js';
import { projectRoot } from '../support/paths.js';

/** What test/fixtures/metrics/make.py wrote. */
interface Case {
  readonly what: string;
  readonly outputs: number;
  readonly labels: readonly number[];
  /** Probabilities, row-major, as multiples of 1 / `steps`. */
  readonly steps: readonly number[];
  readonly figures: Readonly<Record<string, number | null>>;
  readonly perClass: readonly (readonly [precision: number, recall: number, f1: number, images: number])[];
  readonly confusion: readonly (readonly number[])[];
}

const { steps, cases } = JSON.parse(
  readFileSync(join(projectRoot, 'test', 'fixtures', 'metrics', 'figures.json'), 'utf8'),
) as { steps: number; cases: readonly Case[] };

/** The evaluation of some images in parts, as native code answers them. */
function partsOf({ outputs, labels, steps: values }: Case, images: number): readonly EvaluatedPart[] {
  const parts: EvaluatedPart[] = [];
  for (let begin = 0; begin < labels.length; begin += images) {
    const rows = labels.slice(begin, begin + images).map((_, i) => begin + i);
    const probabilities = Float32Array.from(
      values.slice(begin * outputs, (begin + images) * outputs),
      (v) => v / steps,
    );
    const predictions = rows.map((_, i) => likeliest(probabilities.subarray(i * outputs, (i + 1) * outputs)));
    const top1 = predictions.filter((predicted, i) => predicted === labels[begin + i]).length;
    parts.push({ images: rows.length, lossSum: 0, top1, top5: 0, indices: rows, predictions, probabilities });
  }
  return parts;
}

function likeliest(row: Float32Array): number {
  return row.indexOf(Math.max(...row));
}

function truthOf({ outputs, labels }: Case): Truth {
  const classOfOutput = Array.from({ length: outputs }, (_, i) => i);
  return { labelOf: (index) => labels[index] ?? -1, classes: outputs, classOfOutput };
}

const namesOf = ({ outputs }: Case) => Array.from({ length: outputs }, (_, i) => `class ${i}`);

/** One unit in the last place or two of what is of the size of 1. */
const NEAR = 1e-12;

describe("scikit-learn's figures", () => {
  for (const one of cases) {
    it(`of ${one.what}`, async () => {
      const tally = new Tally(truthOf(one));
      for (const part of partsOf(one, 7)) tally.add(part);
      const names = Object.keys(one.figures) as MetricName[];
      const { figures, notes } = await measureAsked(names, tally, namesOf(one));
      for (const name of names) {
        const { key, range } = metricOf(name);
        const found = (figures as Record<string, number | null>)[key];
        const expected = one.figures[name];
        if (typeof found !== 'number' || typeof expected !== 'number') assert.equal(found, expected, name);
        else {
          assert.ok(Math.abs(found - expected) < NEAR, `${name} is ${found}, expected ${expected}`);
          assert.ok(range[0] - NEAR <= found && found <= range[1] + NEAR, `${name}, ${found}, is in its range`);
        }
      }
      assert.equal(notes.length, names.filter((name) => one.figures[name] === null).length, 'each null has its reason');
      const { classes } = tally.counts;
      for (const [label, { name, ...row }] of perClass(namesOf(one), classes).entries()) {
        const [precision, recall, f1, images] = one.perClass[label] ?? [];
        assert.equal(name, `class ${label}`);
        assert.equal(row.images, images);
        for (const [found, expected] of [
          [row.precision, precision],
          [row.recall, recall],
          [row.f1, f1],
        ]) {
          assert.ok(Math.abs((found ?? Number.NaN) - (expected ?? Number.NaN)) < NEAR, `class ${label}`);
        }
      }
      const { labels, counts } = confusionMatrix(partsOf(one, 7), truthOf(one), namesOf(one), namesOf(one));
      assert.deepEqual([labels, counts], [namesOf(one), one.confusion]);
    });
  }

  it('are of every metric, with numbers and with reasons against them', () => {
    const known = new Set(cases.flatMap(({ figures }) => Object.keys(figures)));
    const own = new Set(['loss', 'top5']);
    assert.deepEqual(
      METRIC_NAMES.filter((name) => !known.has(name) && !own.has(name)),
      [],
    );
    const empty = new Set(
      cases.flatMap(({ figures }) => Object.keys(figures).filter((name) => figures[name] === null)),
    );
    assert.deepEqual([...empty].sort(), ['average-precision', 'kappa', 'roc-auc', 'roc-auc-weighted']);
  });
});
