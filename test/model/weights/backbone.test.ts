import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openWeights, type TensorTable } from '../../../src/model/weights/index.js';
import { fails } from '../../support/fails.js';
import { backboneOf, linear, type NamedShape, prefixed, stateDict, torchFile } from '../../support/networks.js';
import { temporaryDirectory } from '../../support/paths.js';
import { dict, type Pickled, text } from '../../support/pickle.js';
import { writeSafetensors } from '../../support/safetensors.js';

const BACKBONE = backboneOf();
const NAMES = BACKBONE.map(([name]) => name);
/** Records of networks that are to be told apart. */
const NUMBERS = { '0': 0, '1': 1 };

async function open(t: TestContext, value: Pickled): Promise<TensorTable> {
  const path = join(await temporaryDirectory(t), 'weights.pth');
  await writeFile(path, torchFile(value, NUMBERS));
  return openWeights(path);
}

const messages = (table: TensorTable): string => table.notes.map(({ message }) => message).join('\n');

function nested(keys: Readonly<Record<string, readonly NamedShape[]>>, first = '0'): Pickled {
  return dict(
    ...Object.entries(keys).map(([key, tensors], index): readonly [Pickled, Pickled] => [
      text(key),
      stateDict(tensors, index === 0 ? first : String(1 - Number(first))),
    ]),
  );
}

test('a network is found behind any one prefix, under any key, and said where that is not plain', async (t) => {
  const cases: readonly (readonly [string, Pickled, string | null])[] = [
    ['torchvision', stateDict(BACKBONE), null],
    ['DataParallel', stateDict(prefixed('module.', BACKBONE)), null],
    ['compiled', nested({ state_dict: prefixed('module._orig_mod.', BACKBONE) }), null],
    ['Lightning', nested({ state_dict: prefixed('model.', BACKBONE) }), 'begin with "model." under "state_dict".'],
    ['Barlow Twins', nested({ model: prefixed('module.backbone.', BACKBONE) }), 'begin with "module.backbone."'],
    ['net', nested({ net: BACKBONE }), 'without a prefix under "net".'],
    ['averaged', nested({ model_ema: prefixed('module.', BACKBONE) }), 'under "model_ema".'],
    ['two keys', dict([text('a'), dict([text('b'), stateDict(BACKBONE)])]), 'under "a.b".'],
  ];
  for (const [name, value, note] of cases) {
    await t.test(name, async (inner) => {
      const table = await open(inner, value);
      assert.deepEqual([...table.tensors.keys()], NAMES);
      assert.ok([...table.tensors].every(([key, tensor]) => key === tensor.name));
      if (note === null) assert.deepEqual(table.notes, []);
      else assert.deepEqual([table.notes.length, table.notes[0]?.code], [1, 'network-place']);
      if (note !== null) assert.ok(messages(table).includes(note), messages(table));
    });
  }
});

test('a safetensors file is searched in the same way', async (t) => {
  const path = join(await temporaryDirectory(t), 'weights.safetensors');
  const small = prefixed('net.', BACKBONE).map(([name]) => ({
    name,
    dtype: 'F32',
    shape: [0],
    bytes: new Uint8Array(),
  }));
  await writeSafetensors(path, small);
  const table = await openWeights(path);
  assert.deepEqual([...table.tensors.keys()], NAMES);
  assert.match(messages(table), /begin with "net\."/);
});

test('names of children in an nn.Sequential are those of torchvision', async (t) => {
  const children = { conv1: '0', bn1: '1', layer1: '4', layer2: '5', layer3: '6', layer4: '7' };
  const numbered = BACKBONE.map(([name, shape]): NamedShape => {
    const [first = '', ...rest] = name.split('.');
    return [['backbone', children[first as keyof typeof children], ...rest].join('.'), shape];
  });
  const table = await open(t, stateDict(numbered));
  assert.deepEqual([...table.tensors.keys()], NAMES);
  assert.match(messages(table), /begin with "backbone\.", numbered as the children/);
});

test('of several networks the one is taken that its users take, and the others are named', async (t) => {
  const student = prefixed('module.backbone.', BACKBONE);
  const teacher = prefixed('backbone.', BACKBONE);
  const cases: readonly (readonly [string, Pickled, string])[] = [
    [
      'DINO',
      nested({ student, teacher }, '1'),
      'Not taken: the names that begin with "module.backbone." under "student"',
    ],
    ['DINO, the teacher first', nested({ teacher, student }), 'under "student"'],
    ['MoCo', stateDictOf('encoder_q.', 'encoder_k.'), 'Not taken: the names that begin with "encoder_k."'],
    ['MoCo v3', stateDictOf('base_encoder.', 'momentum_encoder.'), '"momentum_encoder."'],
    ['BYOL', stateDictOf('online_network.', 'target_network.'), '"target_network."'],
    [
      'timm',
      nested({ state_dict: BACKBONE, state_dict_ema: BACKBONE }, '1'),
      'Not taken: the names without a prefix under "state_dict"',
    ],
    ['usual keys first', nested({ best: BACKBONE, model: BACKBONE }, '1'), 'under "best"'],
  ];
  for (const [name, value, note] of cases) {
    await t.test(name, async (inner) => {
      const table = await open(inner, value);
      assert.equal(await numberOf(table), 0);
      assert.deepEqual([...table.tensors.keys()], NAMES);
      assert.deepEqual(table.others, []);
      assert.ok(messages(table).includes(note), messages(table));
    });
  }
});

/** One dict with both networks: the first of zeros. */
function stateDictOf(first: string, second: string): Pickled {
  return `${stateDict(prefixed(first, BACKBONE), '0')}${stateDict(prefixed(second, BACKBONE), '1').slice(1)}`;
}

/** The number that a table's tensors repeat. */
async function numberOf(table: TensorTable): Promise<number> {
  return (await readFile(table.path)).readFloatLE(table.tensors.get('conv1.weight')?.offset);
}

test('several networks of which none is likelier are refused by name', async (t) => {
  await assert.rejects(
    open(t, nested({ left: BACKBONE, right: BACKBONE })),
    fails('ERR_WEIGHTS_FORMAT', /several networks.*under "left"; .*under "right".*torch\.save/),
  );
  // One that is saved twice, by itself and by what wraps it, is one.
  const twice = `${stateDict(BACKBONE)}${stateDict(prefixed('wrapped.', BACKBONE)).slice(1)}`;
  assert.deepEqual([...(await open(t, twice)).tensors.keys()], NAMES);
});

test('what lies beside the network is named', async (t) => {
  const value = stateDict([
    ...prefixed('module.encoder_q.', BACKBONE),
    ['module.queue', [128, 8]],
    ['module.encoder_q.head.mlp.0.weight', [2048, 2048]],
  ]);
  const table = await open(t, value);
  assert.deepEqual(table.others, ['module.queue', 'module.encoder_q.head.mlp.0.weight']);
});

test('heads whose meaning is plain are read under whatever name', async (t) => {
  const cases: readonly (readonly [string, readonly NamedShape[], readonly string[], RegExp | null])[] = [
    ['fc', linear('fc', 5), ['fc.weight', 'fc.bias'], null],
    ['no bias', linear('fc', 5, false), ['fc.weight'], null],
    ['behind dropout', linear('fc.1', 5), ['fc.weight', 'fc.bias'], /from fc\.1\./],
    ['alone in a Sequential', linear('fc.0', 5), ['fc.weight', 'fc.bias'], null],
    ['classifier', linear('classifier', 5), ['fc.weight', 'fc.bias'], /from classifier\./],
    ['head', linear('head', 5), ['fc.weight', 'fc.bias'], /from head\./],
    ['last_linear', linear('last_linear', 5), ['fc.weight', 'fc.bias'], /from last_linear\./],
    ['hidden', [...linear('fc.0', 7), ['fc.3.weight', [5, 7]]], ['fc.0.weight', 'fc.0.bias', 'fc.3.weight'], null],
    [
      'hidden, behind dropout',
      [...linear('fc.1', 7, false), ['fc.4.weight', [5, 7]]],
      ['fc.0.weight', 'fc.3.weight'],
      /from fc\.1\./,
    ],
    ['fc before others', [...linear('fc', 5), ...linear('head', 3)], ['fc.weight', 'fc.bias'], null],
    [
      'a projector is left as it is',
      [...linear('fc.0', 9), ['fc.2.weight', [5, 9]]],
      ['fc.0.weight', 'fc.0.bias', 'fc.2.weight'],
      null,
    ],
    ['two that may be meant', [...linear('classifier', 5), ...linear('head', 3)], [], null],
    ['of other features', [['classifier.weight', [5, 512]]], [], null],
    ['behind a BatchNorm', [['head.0.weight', [2048]], ...linear('head.1', 5)], [], null],
  ];
  for (const [name, head, expected, note] of cases) {
    await t.test(name, async (inner) => {
      const table = await open(inner, stateDict([...BACKBONE, ...head]));
      assert.deepEqual([...table.tensors.keys()].slice(NAMES.length), expected);
      if (note === null) assert.deepEqual(table.notes, []);
      else assert.match(messages(table), note);
    });
  }
});

test('the head of a network in a module may be beside it', async (t) => {
  const around = await open(t, stateDict([...prefixed('model.backbone.', BACKBONE), ...linear('model.classifier', 5)]));
  assert.deepEqual(around.tensors.get('fc.weight')?.shape, [5, 2048]);
  assert.match(messages(around), /The head was taken from model\.classifier\./);
  const nearer = await open(
    t,
    stateDict([...prefixed('net.', BACKBONE), ...linear('net.fc', 5), ...linear('classifier', 3)]),
  );
  assert.deepEqual(nearer.tensors.get('fc.weight')?.shape, [5, 2048]);
  assert.deepEqual(nearer.others, ['classifier.weight', 'classifier.bias']);
});

test('what is merely missing is for the match to say', async (t) => {
  const table = await open(t, stateDict(BACKBONE.filter(([name]) => !name.startsWith('layer4.2.bn3.'))));
  assert.equal(table.tensors.size, NAMES.length - 5);
});
