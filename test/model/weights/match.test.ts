import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ClassNames,
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
  return {
    path: 'weights.pth',
    format: 'torch',
    arch: null,
    tensors: new Map(tensors),
    others: [],
    notes: [],
    metadata: {},
  };
}

const match50 = (table: TensorTable, expected: readonly ExpectedTensor[], classes?: ClassNames) =>
  matchWeights(table, expected, 'resnet50', classes);

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

const hiddenOf = (classes: number): readonly Entry[] => [
  ['fc.0.weight', [1024, 2048]],
  ['fc.0.bias', [1024]],
  ['fc.3.weight', [classes, 1024]],
  ['fc.3.bias', [classes]],
];

test('a file with the same tensors loads whole, in the order of the model', () => {
  const match = match50(tableOf(...[...BACKBONE, ...LINEAR(5)].reverse()), expectedOf(...LINEAR(5)));
  assert.equal(match.head, 'loaded');
  assert.deepEqual(match.notes, []);
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
    ['none', [], LINEAR(5), 'The weights hold no head'],
  ];
  for (const [name, held, wanted, message] of cases) {
    await t.test(name, () => {
      const match = match50(tableOf(...BACKBONE, ...held), expectedOf(...wanted));
      assert.equal(match.head, 'skipped');
      assert.deepEqual(
        match.load.map((tensor) => tensor.name),
        BACKBONE.map(([tensor]) => tensor),
      );
      assert.equal(match.notes.length, 1);
      assert.ok(match.notes[0]?.message.includes(message), match.notes[0]?.message);
      assert.ok(match.notes[0]?.message.includes('random values'));
    });
  }
});

test('num_batches_tracked may be absent', () => {
  const match = match50(tableOf(...BACKBONE.slice(0, 3), ...LINEAR(5)), expectedOf(...LINEAR(5)));
  assert.equal(match.load.length, 5);
  assert.deepEqual(match.notes, []);
});

test('tensors that no ResNet-50 has are named', () => {
  const extra = Array.from({ length: 12 }, (_, index): Entry => [`extra.${index}`, [1]]);
  const match = match50(tableOf(...BACKBONE, ...LINEAR(5), ...extra), expectedOf(...LINEAR(5)));
  assert.equal(match.head, 'loaded');
  assert.match(match.notes[0]?.message ?? '', /^Not used.*: extra\.0, .*extra\.9 and 2 more\.$/);
});

test('a backbone that does not fit is an error with names and both shapes', () => {
  const table = tableOf(['conv1.weight', [64, 3, 3, 3]], ['bn1.weight', [64], 'I8'], ['bn1.num_batches_tracked', []]);
  assert.throws(() => match50(table, expectedOf(...LINEAR(5))), {
    code: 'ERR_SHAPE_MISMATCH',
    message: [
      "weights.pth does not fit a resnet50 with torchvision's names; 3 tensors are missing or different:",
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
    () => match50(table, wanted),
    (error: Error) => {
      assert.match(error.message, /13 tensors are missing/);
      assert.match(error.message, /layer1\.9\.weight: expected \[1\], missing\n {2}and 3 more\n/);
      assert.match(error.message, /does not have: backbone\.layer1\.0\.weight\.$/);
      return true;
    },
  );
});

test('a head without a bias has one of zeros', () => {
  const match = match50(tableOf(...BACKBONE, ...LINEAR(5).slice(0, 1)), expectedOf(...LINEAR(5)));
  assert.equal(match.head, 'loaded');
  assert.deepEqual(match.zero, ['fc.bias']);
  assert.deepEqual(match.load.at(-1)?.name, 'fc.weight');
});

test('outputs go to the classes of their names', async (t) => {
  const cases: readonly (readonly [
    string,
    readonly string[],
    readonly string[],
    readonly number[] | null,
    RegExp | null,
  ])[] = [
    ['the same', ['ants', 'bees'], ['ants', 'bees'], null, null],
    ['in another order', ['bees', 'ants'], ['ants', 'bees'], [1, 0], /by class name, 2 of 2\./],
    ['more', ['ants', 'bees', 'wasps'], ['ants', 'bees'], [0, 1, -1], /2 of 3; wasps start from random values\./],
    ['fewer', ['bees'], ['ants', 'bees'], [1], /1 of 1\./],
    ['some', ['wasps', 'bees'], ['ants', 'bees'], [-1, 1], /1 of 2; wasps start/],
  ];
  for (const [name, wanted, held, rows, note] of cases) {
    await t.test(name, () => {
      for (const head of [LINEAR, hiddenOf]) {
        const table = tableOf(...BACKBONE, ...head(held.length));
        const match = match50(table, expectedOf(...head(wanted.length)), { wanted, held });
        assert.equal(match.head, 'loaded');
        const loaded = match.load.slice(BACKBONE.length);
        const last = head(1)
          .slice(-2)
          .map(([tensor]) => tensor);
        for (const tensor of loaded) {
          assert.deepEqual(
            tensor.rows && [...tensor.rows],
            last.includes(tensor.name) && rows !== null ? rows : undefined,
          );
        }
        assert.equal(loaded.length, head(1).length);
        if (note === null) assert.deepEqual(match.notes, []);
        else assert.match(match.notes[0]?.message ?? '', note);
      }
    });
  }
});

test('a head of other classes is not loaded', () => {
  for (const head of [LINEAR, hiddenOf]) {
    const classes = { wanted: ['flies', 'wasps'], held: ['ants', 'bees'] };
    const match = match50(tableOf(...BACKBONE, ...head(2)), expectedOf(...head(2)), classes);
    assert.equal(match.head, 'skipped');
    assert.equal(match.load.length, BACKBONE.length);
    assert.equal(match.notes[0]?.code, 'head-not-loaded');
    assert.match(match.notes[0]?.message ?? '', /of the classes ants, bees, and the model's are flies, wasps/);
  }
});

test('outputs without names are taken by position, which is said where the classes have names', () => {
  const match = match50(tableOf(...BACKBONE, ...LINEAR(2)), expectedOf(...LINEAR(2)), {
    wanted: ['ants', 'bees'],
    held: null,
  });
  assert.equal(match.head, 'loaded');
  assert.equal(match.notes[0]?.code, 'head-by-position');
});

test("a sigmoid's output is the second of two, beside zeros", () => {
  const match = match50(tableOf(...BACKBONE, ...LINEAR(1)), expectedOf(...LINEAR(2)), {
    wanted: ['no', 'yes'],
    held: null,
    sigmoid: true,
  });
  assert.deepEqual(match.zero, ['fc.weight', 'fc.bias']);
  assert.deepEqual(
    match.load.slice(-2).map(({ rows }) => rows && [...rows]),
    [
      [-1, 0],
      [-1, 0],
    ],
  );
  assert.match(match.notes[0]?.message ?? '', /1 is yes, 0 is no/);
});
