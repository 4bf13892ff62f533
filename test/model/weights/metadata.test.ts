import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headOf, readMetadata, type TensorTable } from '../../../src/model/weights/index.js';

function tableOf(
  shapes: Readonly<Record<string, readonly number[]>>,
  metadata: Readonly<Record<string, string>> = {},
): TensorTable {
  const tensors = Object.entries(shapes).map(
    ([name, shape]) => [name, { name, dtype: 'F32', shape, offset: 0, length: 0 }] as const,
  );
  return {
    path: 'best.safetensors',
    format: 'safetensors',
    arch: null,
    tensors: new Map(tensors),
    others: [],
    notes: [],
    metadata,
  };
}

const COMPLETE = {
  format: 'resnet-torch',
  formatVersion: '1',
  arch: 'resnet34',
  classes: '["ant","bee","蜂"]',
  head: '{"hidden":[1024],"dropout":0.5}',
  transform: '{"imageSize":224,"resize":232,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}',
  strategy: 'differential',
  versions: '{"resnet-torch":"0.1.0","libtorch":"2.13.0"}',
};

test('metadata of a checkpoint is read whole', () => {
  assert.deepEqual(readMetadata(tableOf({}, COMPLETE)), {
    arch: 'resnet34',
    classes: ['ant', 'bee', '蜂'],
    head: { hidden: [1024], dropout: 0.5 },
    transform: { imageSize: 224, resize: 232, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    strategy: 'differential',
    versions: { 'resnet-torch': '0.1.0', libtorch: '2.13.0' },
  });
});

test('a checkpoint of a later version of the format names both versions', () => {
  const later = { ...COMPLETE, formatVersion: '2', versions: '{"resnet-torch":"7.1.0"}', classes: 'of another form' };
  assert.throws(() => readMetadata(tableOf({}, later)), {
    code: 'ERR_CHECKPOINT',
    message:
      /version 2 of the checkpoint format, written by resnet-torch 7\.1\.0; this is resnet-torch \d.*, which reads version 1\./,
  });
});

test('a formatVersion that is no number is refused', () => {
  for (const formatVersion of ['', 'two', '0', '1.5']) {
    const message = /"formatVersion" is not a whole number of 1 or more/;
    assert.throws(() => readMetadata(tableOf({}, { ...COMPLETE, formatVersion })), { code: 'ERR_CHECKPOINT', message });
  }
});

test('metadata and tensors of different members are refused by both names', () => {
  const table = { ...tableOf({}, COMPLETE), arch: 'resnet18' } as const;
  const message = /its metadata says that it is of a resnet34, and its tensors are of a resnet18/;
  assert.throws(() => readMetadata(table), { code: 'ERR_CHECKPOINT', message });
  // Of before there were others.
  const { arch: _, ...old } = COMPLETE;
  assert.throws(() => readMetadata({ ...table, metadata: old }), {
    code: 'ERR_CHECKPOINT',
    message: /of a resnet50, and/,
  });
});

test('transform, strategy and versions may be absent', () => {
  const { format, classes, head } = COMPLETE;
  assert.deepEqual(readMetadata(tableOf({}, { format, classes, head })), {
    arch: 'resnet50',
    classes: ['ant', 'bee', '蜂'],
    head: { hidden: [1024], dropout: 0.5 },
    transform: null,
    strategy: null,
    versions: {},
  });
});

test('other weights have none', () => {
  assert.equal(readMetadata(tableOf({}, { format: 'pt' })), null);
  assert.equal(readMetadata(tableOf({})), null);
});

test('wrong metadata is refused with the key', async (t) => {
  const cases: readonly (readonly [keyof typeof COMPLETE, string | undefined, RegExp])[] = [
    ['arch', 'resnet51', /"arch" is not one of resnet18, /],
    ['arch', 'constructor', /"arch" is not one of resnet18, /],
    ['classes', undefined, /"classes" is not there/],
    ['classes', '["ant"', /"classes" is not JSON/],
    ['classes', '[]', /"classes" is not a JSON array of strings/],
    ['classes', '[1]', /"classes" is not a JSON array of strings/],
    ['classes', '{"length":1}', /"classes" is not a JSON array of strings/],
    ['head', undefined, /"head" is not there/],
    ['head', 'null', /"head" is not a JSON object/],
    ['head', '{"hidden":[0],"dropout":0}', /"head\.hidden"/],
    ['head', '{"hidden":[],"dropout":1}', /"head\.dropout"/],
    ['head', '{"hidden":[]}', /"head\.dropout"/],
    ['transform', '[]', /"transform" is not a JSON object/],
    ['transform', '{"imageSize":0}', /"transform\.imageSize"/],
    ['transform', '{"imageSize":224,"resize":"x"}', /"transform\.resize"/],
    ['transform', '{"imageSize":224,"resize":256,"mean":[1,2]}', /"transform\.mean"/],
    ['transform', '{"imageSize":224,"resize":256,"mean":[1,2,3],"std":[1,2,null]}', /"transform\.std"/],
    ['versions', '{"libtorch":2}', /"versions"/],
  ];
  for (const [key, text, message] of cases) {
    await t.test(`${key} = ${text}`, () => {
      const { [key]: _, ...rest } = COMPLETE;
      const metadata = text === undefined ? rest : { ...rest, [key]: text };
      assert.throws(() => readMetadata(tableOf({}, metadata)), { code: 'ERR_CHECKPOINT', message });
    });
  }
});

test('the head is told from the tensors', () => {
  assert.deepEqual(headOf(tableOf({ 'fc.weight': [1000, 2048], 'fc.bias': [1000] }), 'resnet50'), {
    classes: 1000,
    hidden: [],
  });
  assert.deepEqual(headOf(tableOf({ 'fc.0.weight': [1024, 2048], 'fc.3.weight': [20, 1024] }), 'resnet50'), {
    classes: 20,
    hidden: [1024],
  });
  const three = { 'fc.6.weight': [3, 256], 'fc.0.weight': [512, 2048], 'fc.3.weight': [256, 512] };
  assert.deepEqual(headOf(tableOf(three), 'resnet50'), { classes: 3, hidden: [512, 256] });
});

test('the head of a resnet18 has 512 inputs', () => {
  assert.deepEqual(headOf(tableOf({ 'fc.weight': [7, 512] }), 'resnet18'), { classes: 7, hidden: [] });
  assert.throws(() => headOf(tableOf({ 'fc.weight': [7, 2048] }), 'resnet18'), {
    message: /expected \[outputs, 512\]/,
  });
});

test('a head that cannot be told is an error', async (t) => {
  const cases: readonly (readonly [Readonly<Record<string, readonly number[]>>, RegExp])[] = [
    [{ 'conv1.weight': [64, 3, 7, 7] }, /holds no tensor fc\.\*/],
    [{ 'fc.1.weight': [5, 2048] }, /its head is fc\.1\.weight/],
    [{ 'fc.0.weight': [5, 2048], 'fc.2.weight': [5, 5] }, /its head is fc\.0\.weight, fc\.2\.weight/],
    [{ 'fc.weight': [1000, 512] }, /fc\.weight has shape \[1000, 512\]; expected \[outputs, 2048\]/],
    [
      { 'fc.0.weight': [1024, 2048], 'fc.3.weight': [5, 512] },
      /fc\.3\.weight has shape \[5, 512\]; expected \[outputs, 1024\]/,
    ],
    [{ 'fc.weight': [2048] }, /fc\.weight has shape \[2048\]/],
  ];
  for (const [shapes, message] of cases) {
    await t.test(Object.keys(shapes).join(' '), () => {
      assert.throws(() => headOf(tableOf(shapes), 'resnet50'), { code: 'ERR_WEIGHTS_FORMAT', message });
    });
  }
});
