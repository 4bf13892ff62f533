import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Counts, Tally } from '../../src/metrics/counts.js';
import { perClass } from '../../src/metrics/per-class.js';
import { measure } from '../../src/metrics/registry.js';

/** Eight images of seven classes: logits that are exact in binary, and what the images are. */
const LOGITS = [
  [2, 0, 1, -1, 0.5, 3, -2],
  [0, 4, 1, 2, 3, -1, -3],
  [1, 0, 0.5, 2.5, -1, -2, 0.25],
  [3, 2, 1, 0, -1, -2, -3],
  [0.5, 1.5, -0.5, 2, 1, 0, 3],
  [1, 2, 3, 4, 5, 6, 7],
  [2, -1, 0, 1, 0.25, 0.75, -2],
  [0, 1, 0, 2, 0, 3, -1],
];
const LABELS = [5, 1, 0, 0, 3, 0, 3, 4];
const CLASSES = 7;

/** What an evaluation counts, written out. */
function counted(): Counts {
  const parts = LOGITS.map((row, index) => {
    const own = row[LABELS[index] ?? -1] ?? Number.NaN;
    const above = row.filter((value) => value > own).length;
    return {
      images: 1,
      lossSum: Math.log(row.reduce((sum, value) => sum + Math.exp(value - own), 0)),
      top1: above === 0 ? 1 : 0,
      top5: above < 5 ? 1 : 0,
      indices: [index],
      predictions: [row.indexOf(Math.max(...row))],
    };
  });
  const tally = new Tally({
    labelOf: (index) => LABELS[index] ?? -1,
    classes: CLASSES,
    classOfOutput: Array.from({ length: CLASSES }, (_, i) => i),
  });
  for (const part of parts) tally.add(part);
  return tally.counts;
}

const isNear = (found: number | undefined, expected: number) =>
  assert.ok(Math.abs((found ?? Number.NaN) - expected) < 1e-12, `${found} is not ${expected}`);

/** Counts of labels and what they were taken for. */
function countsOf(labels: readonly number[], predictions: readonly number[], classes: number): Counts {
  const labelOf = (index: number) => labels[index] ?? -1;
  const tally = new Tally({ labelOf, classes, classOfOutput: Array.from({ length: classes }, (_, i) => i) });
  const correct = labels.filter((label, i) => predictions[i] === label).length;
  const indices = labels.map((_, i) => i);
  tally.add({ images: labels.length, lossSum: 0, top1: correct, top5: labels.length, indices, predictions });
  return tally.counts;
}

describe('metrics', () => {
  it("have PyTorch's figures", () => {
    const { loss, top1, top5, images } = measure(counted());
    // torch.nn.functional.cross_entropy(logits, labels) in float64; shares from argmax(1) and topk(5).
    isNear(loss, 2.0873902826549737);
    assert.deepEqual([top1, top5, images], [0.375, 0.875, 8]);
  });

  it("have scikit-learn's balanced accuracy", () => {
    // sklearn.metrics.balanced_accuracy_score(labels, predictions) of scikit-learn 1.2.1; the second is its documentation's.
    for (const [labels, predictions, expected] of [
      [LABELS, [5, 1, 3, 0, 6, 6, 0, 5], 0.4666666666666666],
      [[0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], 0.625],
      [[0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0], 0.5],
      // A class that is predicted and has no image does not count.
      [[0, 0, 2, 2, 2], [0, 1, 2, 2, 1], 0.5833333333333333],
    ] as const) {
      isNear(measure(countsOf(labels, predictions, CLASSES)).balancedAccuracy, expected);
    }
    assert.equal(measure(countsOf([], [], 2)).balancedAccuracy, 0);
    assert.ok(!('balancedAccuracy' in measure({ images: 4, lossSum: 8, top1: 2 })));
  });

  it('leave out a top-5 of five classes, and what is not counted', () => {
    const { outputs: _, ...counts } = counted();
    assert.equal(measure({ ...counts, outputs: 5 }).top5, undefined);
    assert.ok(!('top5' in measure({ ...counts, outputs: 5 })));
    assert.deepEqual(measure({ images: 4, lossSum: 8, top1: 2 }), { loss: 2, top1: 0.5, images: 4 });
    assert.equal(measure({ images: 0, lossSum: 0, top1: 0 }).loss, 0);
  });

  it('tell each class, by what its images are and not by what they are taken for', () => {
    const rows = perClass(['a', 'b', 'c', 'd', 'e', 'f', 'g'], counted().classes);
    assert.deepEqual(
      rows.map(({ images, recall }) => [images, recall]),
      [
        [3, 1 / 3],
        [1, 1],
        [0, 0],
        [2, 0],
        [1, 0],
        [1, 1],
        [0, 0],
      ],
    );
  });

  it('match the outputs of a model to the classes of the data', () => {
    // The data has b and a, in another order than the model, which also knows a class z.
    const tally = new Tally({ labelOf: (index) => [0, 1, 1][index] ?? -1, classes: 2, classOfOutput: [-1, 1, 0] });
    tally.add({ images: 2, lossSum: 1, top1: 1, top5: 2, indices: [2, 0], predictions: [1, 0] });
    tally.add({ images: 1, lossSum: 1, top1: 0, top5: 1, indices: [1], predictions: [2] });
    const { images, lossSum, top1, top5, outputs, classes, strays, imagesOfOutputs } = tally.counts;
    assert.deepEqual([strays, imagesOfOutputs], [[1], [0, 2, 1]]);
    assert.deepEqual([images, lossSum, top1, top5, outputs], [3, 2, 1, 3, 3]);
    assert.deepEqual(classes, [
      { images: 1, correct: 0, predicted: 1 },
      { images: 2, correct: 1, predicted: 1 },
    ]);
  });
});
