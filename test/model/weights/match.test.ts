import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ExpectedTensor,
  matchWeights,
  type StoredTensor,
  type TensorTable,
} from '../../../src/model/weights/index.js';

type Entry = readonly [name: string, shape: readonly number[], dtype?: StoredTensor['dtype']];

function tableOf(...entries: readonly Entry[]): TensorTable {
  const tensors = entries.map(([name, shape, dtype = 'F32']): [string, StoredTensor] => [
    name,
    { name, dtype, shape, offset: 0, length: 0 },
  ]);
  return { path: 'weights.pth', format: 'torch', tensors: new Map(tensors), metadata: {} };
}

const BACKBONE: readonly Entry[] = [
  ['conv1.weight', [64, 3, 7, 7]],
  ['bn1.weight', [64]],
  ['bn1.running_mean', [64]],
  ['bn1.num_batches_tracked', [], 'I64'],
];

function expectedOf(...head: readonly Entry[]): readonly ExpectedTensor[] {
  return [...BACKBONE, ...head].map(([name, shape]) => ({
    name,
    shape,
    kind: /running|tracked/.test(name) ? 'buffer' : 'parameter',
  }));
}

const LINEAR = (classes: number): readonly Entry[] => [
  ['fc.weight', [classes, 2048]],
  ['fc.bias', [classes]],
];
const HIDDEN: readonly Entry[] = [
  ['fc.0.weight', [1024, 2048]],
  ['fc.0.bias', [1024]],
  ['fc.3.weight', [5, 1024]],
  ['fc.3.bias', [5]],
];

test('a file with the same tensors loads whole, in the order of the model', () => {
  const match = matchWeights(tableOf(...[...BACKBONE, ...LINEAR(5)].reverse()), expectedOf(...LINEAR(5)));
  assert.equal(match.head, 'loaded');
  assert.deepEqual(match.messages, []);
  assert.deepEqual(
    match.load.map(({ name }) => name),
    [...BACKBONE, ...LINEAR(5)].map(([name]) => name),
  );
});

test('a head of another size or layout is skipped and said', async (t) => {
  const cases: readonly (readonly [string, readonly Entry[], readonly Entry[], string])[] = [
    ['size', LINEAR(1000), LINEAR(5), 'the weights have fc.weight [1000, 2048], the model has fc.weight [5, 2048]'],
    [
      'to hidden',
      LINEAR(5),
      HIDDEN,
      'the weights have fc.weight [5, 2048], the model has fc.0.weight [1024, 2048], fc.3.weight [5, 1024]',
    ],
    [
      'from hidden',
      HIDDEN,
      LINEAR(5),
      'the weights have fc.0.weight [1024, 2048], fc.3.weight [5, 1024], the model has fc.weight [5, 2048]',
    ],
    ['no bias', LINEAR(5).slice(0, 1), LINEAR(5), 'The head was not loaded'],
    ['none', [], LINEAR(5), 'The weights hold no head'],
  ];
  for (const [name, held, wanted, message] of cases) {
    await t.test(name, () => {
      const match = matchWeights(tableOf(...BACKBONE, ...held), expectedOf(...wanted));
      assert.equal(match.head, 'skipped');
      assert.deepEqual(
        match.load.map((tensor) => tensor.name),
        BACKBONE.map(([tensor]) => tensor),
      );
      assert.equal(match.messages.length, 1);
      assert.ok(match.messages[0]?.includes(message), match.messages[0]);
      assert.ok(match.messages[0]?.includes('random values'));
    });
  }
});

test('num_batches_tracked may be absent', () => {
  const match = matchWeights(tableOf(...BACKBONE.slice(0, 3), ...LINEAR(5)), expectedOf(...LINEAR(5)));
  assert.equal(match.load.length, 5);
  assert.deepEqual(match.messages, []);
});

test('tensors that no ResNet-50 has are named', () => {
  const extra = Array.from({ length: 12 }, (_, index): Entry => [`extra.${index}`, [1]]);
  const match = matchWeights(tableOf(...BACKBONE, ...LINEAR(5), ...extra), expectedOf(...LINEAR(5)));
  assert.equal(match.head, 'loaded');
  assert.match(match.messages[0] ?? '', /^Not used.*: extra\.0, .*extra\.9 and 2 more\.$/);
});

test('a backbone that does not fit is an error with names and both shapes', () => {
  const table = tableOf(['conv1.weight', [64, 3, 3, 3]], ['bn1.weight', [64], 'I8'], ['bn1.num_batches_tracked', []]);
  assert.throws(() => matchWeights(table, expectedOf(...LINEAR(5))), {
    code: 'ERR_SHAPE_MISMATCH',
    message: [
      "weights.pth does not fit a ResNet-50 with torchvision's names; 3 tensors are missing or different:",
      '  conv1.weight: expected [64, 3, 7, 7], the file has [64, 3, 3, 3]',
      '  bn1.weight: expected floating-point numbers, the file has I8 (a quantised model?)',
      '  bn1.running_mean: expected [64], missing',
    ].join('\n'),
  });
});

test('many faults are listed up to ten, with names of the file that are strange', () => {
  const wanted = Array.from(
    { length: 13 },
    (_, index): ExpectedTensor => ({
      name: `layer1.${index}.weight`,
      shape: [1],
      kind: 'parameter',
    }),
  );
  const table = tableOf(['backbone.layer1.0.weight', [1]]);
  assert.throws(
    () => matchWeights(table, wanted),
    (error: Error) => {
      assert.match(error.message, /13 tensors are missing/);
      assert.match(error.message, /layer1\.9\.weight: expected \[1\], missing\n {2}and 3 more\n/);
      assert.match(error.message, /does not have: backbone\.layer1\.0\.weight\.$/);
      return true;
    },
  );
});
