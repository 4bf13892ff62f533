import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openWeights } from '../../../src/model/weights/index.js';
import { sharedRoot, temporaryDirectory } from '../../support/paths.js';
import { floats, rawSafetensors, safetensorsBytes, writeSafetensors } from '../../support/safetensors.js';

async function fileOf(t: TestContext, bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory(t), 'weights.safetensors');
  await writeFile(path, bytes);
  return path;
}

async function assertRefused(t: TestContext, bytes: Uint8Array, message: RegExp): Promise<void> {
  const path = await fileOf(t, bytes);
  await assert.rejects(openWeights(path), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_WEIGHTS_FORMAT');
    assert.ok(error.message.startsWith(`${path}: `), error.message);
    assert.match(error.message, message);
    return true;
  });
}

test('offsets and lengths are those of the bytes in the file', async (t) => {
  const path = join(await temporaryDirectory(t), 'weights.safetensors');
  const half = { name: 'half', dtype: 'BF16', shape: [3], bytes: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  await writeSafetensors(path, [half, floats('a.weight', [2, 2], [1, 2, 3, 4]), floats('scalar', [], [5])], {
    note: 'é',
  });
  const table = await openWeights(path);
  assert.equal(table.format, 'safetensors');
  assert.equal(table.path, path);
  assert.equal(table.metadata.note, 'é');
  assert.deepEqual([...table.tensors.keys()], ['half', 'a.weight', 'scalar']);
  const bytes = await readFile(path);
  const read = (name: string): Buffer => {
    const { offset, length } = table.tensors.get(name) ?? assert.fail(`${name} is missing`);
    return bytes.subarray(offset, offset + length);
  };
  assert.deepEqual([...read('half')], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(
    [0, 4, 8, 12].map((at) => read('a.weight').readFloatLE(at)),
    [1, 2, 3, 4],
  );
  assert.equal(read('scalar').readFloatLE(), 5);
  assert.deepEqual(table.tensors.get('a.weight')?.shape, [2, 2]);
});

test('every dtype has its size, and tensors without elements take no bytes', async (t) => {
  const sizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };
  const tensors = Object.entries(sizes).map(([dtype, size]) => ({
    name: dtype,
    dtype,
    shape: [3],
    bytes: new Uint8Array(3 * size),
  }));
  const empty = { name: 'empty', dtype: 'F32', shape: [4, 0], bytes: new Uint8Array() };
  const table = await openWeights(await fileOf(t, safetensorsBytes([...tensors, empty])));
  for (const [dtype, size] of Object.entries(sizes)) assert.equal(table.tensors.get(dtype)?.length, 3 * size);
  assert.equal(table.tensors.get('empty')?.length, 0);
});

test('prefixes of wrappers are stripped, and names that collide then are refused', async (t) => {
  const wrapped = safetensorsBytes([floats('module._orig_mod.fc.bias', [1], [1])]);
  assert.deepEqual([...(await openWeights(await fileOf(t, wrapped))).tensors.keys()], ['fc.bias']);
  const twice = safetensorsBytes([floats('module.fc.bias', [1], [1]), floats('fc.bias', [1], [1])]);
  await assertRefused(t, twice, /fc\.bias twice/);
});

test('names that mean something to JavaScript are plain names', async (t) => {
  const json = '{"__metadata__":{"__proto__":"x"},"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  const table = await openWeights(await fileOf(t, rawSafetensors(json, new Uint8Array(1))));
  assert.deepEqual([...table.tensors.keys()], ['__proto__']);
  assert.deepEqual(Object.entries(table.metadata), [['__proto__', 'x']]);
});

test('a header padded with spaces is read', async (t) => {
  const table = await openWeights(await fileOf(t, rawSafetensors('{}      ')));
  assert.equal(table.tensors.size, 0);
});

test('broken files are refused with the reason', async (t) => {
  const tensor = (offsets: unknown, shape: unknown = [2], dtype: unknown = 'U8'): unknown => ({
    dtype,
    shape,
    data_offsets: offsets,
  });
  const huge = rawSafetensors('{}');
  huge.writeUInt32LE(0xfffffff0, 0);
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['header length beyond the limit', huge, /header claims 4294967280 bytes/],
    ['header cut short', safetensorsBytes([floats('a', [1], [1])]).subarray(0, 30), /truncated/],
    ['data cut short', safetensorsBytes([floats('a', [4], [1, 2, 3, 4])]).subarray(0, -3), /truncated/],
    ['no JSON', rawSafetensors('{"a": '), /not JSON/],
    [
      'not UTF-8',
      Buffer.concat([rawSafetensors('{"a":"xx"}').subarray(0, 14), Buffer.from([0xff, 0xff, 0x22, 0x7d])]),
      /not JSON/,
    ],
    ['a tensor that is not an object', rawSafetensors({ a: 1 }), /entry for the tensor a/],
    ['metadata that is not strings', rawSafetensors({ __metadata__: { a: 1 } }), /"a", which is not a string/],
    ['metadata that is no object', rawSafetensors({ __metadata__: [] }), /__metadata__ is not a JSON object/],
    [
      'an unknown dtype',
      rawSafetensors({ a: tensor([0, 2], [2], 'F8_E4M3') }, new Uint8Array(2)),
      /F8_E4M3.*save it as/,
    ],
    [
      'a dtype named like a method',
      rawSafetensors({ a: tensor([0, 2], [2], 'toString') }, new Uint8Array(2)),
      /toString/,
    ],
    ['a negative side', rawSafetensors({ a: tensor([0, 2], [-2]) }, new Uint8Array(2)), /valid shape/],
    ['a fractional side', rawSafetensors({ a: tensor([0, 2], [0.5]) }, new Uint8Array(2)), /valid shape/],
    [
      'a shape that is too large',
      rawSafetensors({ a: tensor([0, 2], [2 ** 40, 2 ** 40]) }, new Uint8Array(2)),
      /too many/,
    ],
    ['offsets the wrong way', rawSafetensors({ a: tensor([2, 0]) }, new Uint8Array(2)), /takes -2 bytes/],
    ['three offsets', rawSafetensors({ a: tensor([0, 1, 2]) }, new Uint8Array(2)), /data_offsets/],
    ['a length that does not fit', rawSafetensors({ a: tensor([0, 3]) }, new Uint8Array(3)), /takes 3 bytes.*need 2/],
    ['offsets past the end', rawSafetensors({ a: tensor([0, 2]) }, new Uint8Array(1)), /truncated/],
    ['an overlap', rawSafetensors({ a: tensor([0, 2]), b: tensor([1, 3]) }, new Uint8Array(3)), /b overlaps/],
    [
      'a hole',
      rawSafetensors({ a: tensor([0, 2]), b: tensor([3, 5]) }, new Uint8Array(5)),
      /hole of 1 bytes before the tensor b/,
    ],
    ['a hole at the start', rawSafetensors({ a: tensor([1, 3]) }, new Uint8Array(3)), /hole of 1 bytes/],
    ['bytes after the last tensor', rawSafetensors({ a: tensor([0, 2]) }, new Uint8Array(4)), /2 bytes follow/],
    [
      'the same key twice',
      rawSafetensors(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
        new Uint8Array(4),
      ),
      /hole/,
    ],
    ['control characters in a name', rawSafetensors({ '\u001b[31m': 1 }), /\\u\{1b\}\[31m/],
  ];
  for (const [name, bytes, message] of cases) await t.test(name, (inner) => assertRefused(inner, bytes, message));
});

test('the ResNet-50 in the shared folder is read', async (t) => {
  const shared = sharedRoot();
  if (shared === null) return t.skip('there is no shared folder beside the project');
  const table = await openWeights(join(shared, 'weights', 'resnet50-tiny-imagenet-64px.safetensors'));
  assert.equal(table.tensors.size, 320);
  assert.deepEqual(table.tensors.get('fc.weight')?.shape, [202, 2048]);
  assert.equal(table.tensors.get('conv1.weight')?.dtype, 'BF16');
  assert.equal(table.tensors.get('bn1.num_batches_tracked')?.dtype, 'I64');
});
