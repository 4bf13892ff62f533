import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openWeights, type TensorTable } from '../../../src/model/weights/index.js';
import { projectRoot, temporaryDirectory } from '../../support/paths.js';
import { call, dict, global, int, type Pickled, pickleBytes, tensor, text, tuple } from '../../support/pickle.js';
import { type ZipLayout, type ZipMember, zipBytes } from '../../support/zip.js';

const FIXTURES = join(projectRoot, 'test', 'fixtures', 'weights');
const NAMES = [
  '0.weight',
  '0.bias',
  '1.weight',
  '1.bias',
  '1.running_mean',
  '1.running_var',
  '1.num_batches_tracked',
  '2.weight',
  '2.bias',
];

function float32(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** One float32 tensor `w` of shape [2, 3] that counts from 0. */
const MATRIX = tensor({ key: '0', elements: 6, shape: [2, 3], strides: [3, 1] });
const DATA: ZipMember = { name: 'archive/data/0', bytes: float32([0, 1, 2, 3, 4, 5]), padding: 17 };

function archive(value: Pickled, others: readonly ZipMember[] = [DATA], layout: ZipLayout = {}): Buffer {
  return zipBytes([{ name: 'archive/data.pkl', bytes: pickleBytes(value) }, ...others], layout);
}

async function fileOf(t: TestContext, bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory(t), 'weights.pth');
  await writeFile(path, bytes);
  return path;
}

async function assertRefused(path: string, message: RegExp): Promise<void> {
  await assert.rejects(openWeights(path), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_WEIGHTS_FORMAT');
    assert.ok(error.message.startsWith(`${path}: `), error.message);
    assert.match(error.message, message);
    return true;
  });
}

/** The values of a tensor, of the dtypes whose elements JavaScript can read. */
async function valuesOf(table: TensorTable, name: string): Promise<number[]> {
  const { dtype, offset, length } = table.tensors.get(name) ?? assert.fail(`${name} is missing`);
  const bytes = (await readFile(table.path)).subarray(offset, offset + length);
  const { buffer } = Uint8Array.from(bytes);
  if (dtype === 'F32') return [...new Float32Array(buffer)];
  if (dtype === 'F64') return [...new Float64Array(buffer)];
  if (dtype === 'I64') return [...new BigInt64Array(buffer)].map(Number);
  if (dtype === 'I32') return [...new Int32Array(buffer)];
  if (dtype === 'I16') return [...new Int16Array(buffer)];
  // A bfloat16 is the upper half of a float32.
  if (dtype === 'BF16')
    return [...new Uint16Array(buffer)].map((bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? NaN);
  return [...new Uint8Array(buffer)];
}

function countFrom(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => start + index);
}

const READABLE = [
  'sequential',
  'protocol-3',
  'protocol-4',
  'protocol-5',
  'wrapped',
  'nested',
  'legacy',
  'numpy',
  'objects',
  'legacy-objects',
];
for (const file of READABLE) {
  test(`${file}.pth of torch.save gives the model's tensors`, async () => {
    const table = await openWeights(join(FIXTURES, `${file}.pth`));
    assert.equal(table.format, 'torch');
    assert.deepEqual([...table.tensors.keys()], NAMES);
    assert.deepEqual(table.tensors.get('0.weight')?.shape, [3, 2, 1, 1]);
    assert.deepEqual(table.tensors.get('1.num_batches_tracked')?.shape, []);
    for (const [place, name] of NAMES.entries()) {
      const values = await valuesOf(table, name);
      assert.deepEqual(values, countFrom(100 * place, values.length), name);
    }
  });
}

test('every dtype, a view, a parameter, a scalar and an empty tensor', async () => {
  const table = await openWeights(join(FIXTURES, 'dtypes.pth'));
  const dtypes = {
    double: 'F64',
    float: 'F32',
    half: 'F16',
    bfloat16: 'BF16',
    long: 'I64',
    int: 'I32',
    short: 'I16',
    char: 'I8',
    byte: 'U8',
    bool: 'BOOL',
  };
  for (const [name, dtype] of Object.entries(dtypes)) assert.equal(table.tensors.get(name)?.dtype, dtype);
  for (const name of ['double', 'float', 'bfloat16', 'long', 'int', 'short', 'char', 'byte']) {
    assert.deepEqual(await valuesOf(table, name), countFrom(0, 12), name);
  }
  assert.deepEqual(await valuesOf(table, 'bool'), [0, ...Array<number>(11).fill(1)]);
  assert.deepEqual(await valuesOf(table, 'view'), countFrom(4, 6));
  assert.deepEqual(table.tensors.get('view')?.shape, [2, 3]);
  assert.deepEqual(await valuesOf(table, 'parameter'), countFrom(1, 12));
  assert.deepEqual(await valuesOf(table, 'scalar'), [7]);
  assert.deepEqual(table.tensors.get('empty')?.shape, [0, 3]);
  assert.equal(table.tensors.get('empty')?.length, 0);
});

test('a tensor that is not contiguous keeps its strides, up to its last element', async (t) => {
  const fixture = await openWeights(join(FIXTURES, 'channels-last.pth'));
  assert.deepEqual(fixture.tensors.get('weight')?.shape, [2, 3, 2, 2]);
  assert.deepEqual(fixture.tensors.get('weight')?.strides, [12, 1, 6, 3]);
  assert.equal(fixture.tensors.get('weight')?.length, 4 * 24);
  const row = tensor({ key: '0', elements: 6, offset: 1, shape: [2, 1], strides: [3, 1] });
  const table = await openWeights(await fileOf(t, archive(dict([text('w'), row], [text('all'), MATRIX]))));
  const [strided, whole] = [table.tensors.get('w'), table.tensors.get('all')];
  assert.deepEqual([strided?.strides, strided?.length], [[3, 1], 16]);
  assert.deepEqual([whole?.strides, whole?.length], [undefined, 24]);
  assert.equal((strided?.offset ?? 0) - (whole?.offset ?? 0), 4);
});

test('files of torch.save that hold no weights are refused with the way out', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['system.pth', /asks for posix\.system \(os\.system\), which no weights need.*nothing was run/],
    ['whole-model.pth', /holds an object of torch\.nn\.\S+, not a dict.*torch\.save\(model\.state_dict\(\)/],
  ];
  for (const [file, message] of cases) await t.test(file, () => assertRefused(join(FIXTURES, file), message));
});

test('a file of the old format that is cut, or whose records are not those it lists, is refused', async (t) => {
  const whole = await readFile(join(FIXTURES, 'legacy.pth'));
  for (const length of [20, 60, 300, 900, whole.length - 100, whole.length - 1]) {
    await assertRefused(await fileOf(t, whole.subarray(0, length)), /truncated/);
  }
  const [first] = (await openWeights(join(FIXTURES, 'legacy.pth'))).tensors.values();
  const damaged = Buffer.from(whole);
  damaged.writeBigInt64LE(7n, (first?.offset ?? 0) - 8);
  await assertRefused(await fileOf(t, damaged), /has 7 numbers, but \d+ are expected/);
  const endian = Buffer.from(whole);
  endian[endian.indexOf('little_endian') + 'little_endian'.length + 2] = 0x89;
  await assertRefused(await fileOf(t, endian), /big-endian/);
});

test('an object of any constructor is kept unread, wherever it stands', async (t) => {
  const state = dict([text('w'), MATRIX]);
  const objects: readonly (readonly [string, Pickled])[] = [
    ['called', call(global('a.b', 'C'), text('x'))],
    ['made', `${global('a.b', 'C')})\x81`],
    ['made with keywords', `${global('a.b', 'C')})}\x92`],
    ['with attributes', `${global('a.b', 'C')})\x81}(${text('k')}${int(1)}ub`],
    ['with items', `${global('a.b', 'C')})R(${text('k')}${int(1)}u`],
    ['with elements', `${global('a.b', 'C')})R(${int(1)}${int(2)}e${int(3)}a`],
    ['of protocol 1', `(ia.b\nC\n`],
    ['of protocol 1, by class', `(${global('a.b', 'C')}${int(1)}o`],
    ['the constructor itself', global('a.b', 'C')],
  ];
  for (const [name, object] of objects) {
    await t.test(name, async (inner) => {
      const table = await openWeights(await fileOf(inner, archive(dict([text('x'), object], [text('model'), state]))));
      assert.deepEqual(await valuesOf(table, 'w'), [0, 1, 2, 3, 4, 5]);
    });
  }
});

test('a file cut anywhere is refused', async (t) => {
  const whole = await readFile(join(FIXTURES, 'sequential.pth'));
  for (const length of [10, 100, 1000, 2000, whole.length - 200, whole.length - 60, whole.length - 1]) {
    await assertRefused(await fileOf(t, whole.subarray(0, length)), /truncated/);
  }
});

test('archives made by hand: any root, any local header, zip64, a comment', async (t) => {
  const state = dict([text('w'), MATRIX]);
  const variants: readonly (readonly [string, Buffer])[] = [
    ['plain', archive(state)],
    ['zip64', archive(state, [DATA], { zip64: true })],
    ['with a comment', archive(state, [DATA], { comment: 'PK\x05\x06 not the end'.padEnd(60) })],
    [
      'another root',
      zipBytes([
        { ...DATA, name: 'my model é/data/0' },
        { name: 'my model é/data.pkl', bytes: pickleBytes(state) },
        { name: 'my model é/byteorder', bytes: Buffer.from('little') },
      ]),
    ],
  ];
  for (const [name, bytes] of variants) {
    await t.test(name, async (inner) => {
      const table = await openWeights(await fileOf(inner, bytes));
      assert.deepEqual(await valuesOf(table, 'w'), [0, 1, 2, 3, 4, 5]);
    });
  }
});

test('the state dict is found in every usual nest', async (t) => {
  const state = dict([text('module.w'), MATRIX]);
  const nests: readonly Pickled[] = [
    dict([text('model'), state]),
    dict([text('model_state_dict'), state], [text('epoch'), int(3)]),
    dict([text('model'), dict([text('state_dict'), state])]),
    dict([text('state_dict'), state], [text('step'), MATRIX]),
    dict([text('w'), MATRIX], [text('_extra_state'), 'N'], [int(5), MATRIX]),
  ];
  for (const nest of nests) {
    const table = await openWeights(await fileOf(t, archive(nest)));
    assert.deepEqual([...table.tensors.keys()], ['w']);
  }
});

test('archives that are not of torch.save, or damaged, are refused', async (t) => {
  const state = dict([text('w'), MATRIX]);
  const pickle: ZipMember = { name: 'archive/data.pkl', bytes: pickleBytes(state) };
  const selfContaining = `}q\x00(${text('model')}h\x00u`;
  const view = (o: {
    offset?: number;
    shape?: number[];
    strides?: number[];
    elements?: number;
    key?: string;
  }): Pickled => dict([text('w'), tensor({ key: '0', elements: 6, shape: [2, 3], strides: [3, 1], ...o })]);
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['no data.pkl', zipBytes([DATA]), /not one of torch\.save: it has no data\.pkl.*archive\/data\/0/],
    ['two of them', zipBytes([pickle, { ...pickle, name: 'other/data.pkl' }]), /several data\.pkl/],
    [
      'TorchScript',
      zipBytes([pickle, { name: 'archive/constants.pkl', bytes: new Uint8Array() }]),
      /TorchScript.*torch\.jit\.load/,
    ],
    ['one name twice', zipBytes([pickle, DATA, DATA]), /archive\/data\/0 twice/],
    ['big-endian', zipBytes([pickle, DATA, { name: 'archive/byteorder', bytes: Buffer.from('big') }]), /big-endian/],
    ['a compressed record', archive(state, [{ ...DATA, method: 8 }]), /archive\/data\/0 is compressed/],
    ['a compressed pickle', zipBytes([{ ...pickle, method: 8 }, DATA]), /data\.pkl is compressed/],
    ['an encrypted record', archive(state, [{ ...DATA, flags: 1 }]), /encrypted/],
    ['a missing record', archive(state, []), /data of w \(record 0\) is missing/],
    [
      'a short record',
      archive(state, [{ ...DATA, bytes: float32([1]) }]),
      /data of w takes 4 bytes, but 24 are expected/,
    ],
    ['a tensor past its record', archive(view({ offset: 1 })), /reaches past its data/],
    ['a shape past its record', archive(view({ shape: [3, 3] })), /reaches past its data/],
    [
      'a shape too large',
      archive(view({ shape: [2 ** 31 - 1, 2 ** 31 - 1], strides: [2 ** 31 - 1, 1] })),
      /reaches past its data/,
    ],
    ['a strided tensor past its record', archive(view({ shape: [3, 2], strides: [1, 4] })), /reaches past its data/],
    [
      'an object for a tensor',
      archive(dict([text('w'), call(global('torch._utils', '_rebuild_qtensor'))], [text('x'), MATRIX])),
      /w is a tensor made by torch\._utils\._rebuild_qtensor, which is not read/,
    ],
    ['a negative offset', archive(view({ offset: -1 })), /rebuilds a tensor/],
    ['a negative side', archive(view({ shape: [-2, 3] })), /valid shape/],
    ['no strides', archive(view({ strides: [] })), /differ in length/],
    [
      'an unknown storage',
      archive(
        dict([text('w'), tensor({ key: '0', elements: 6, shape: [6], strides: [1], storage: 'ComplexFloatStorage' })]),
      ),
      /w is a tensor of ComplexFloatStorage, which is not read/,
    ],
    ['a reference to another kind of thing', archive(`${tuple(text('module'), text('x'))}Q`), /refers to data/],
    ['no dict', archive(int(3)), /no state dict: it holds no dict/],
    ['a single tensor', archive(MATRIX), /it holds a single tensor/],
    [
      'a dict without tensors',
      archive(dict([text('epoch'), int(3)], [text('opt'), dict()])),
      /keys epoch, opt\. One is looked for/,
    ],
    ['a dict that holds itself', archive(selfContaining), /keys model/],
  ];
  for (const [name, bytes, message] of cases) {
    await t.test(name, async (inner) => assertRefused(await fileOf(inner, bytes), message));
  }
});

test('what only an attack asks for is refused by its name, wherever it stands', async (t) => {
  const state = dict([text('w'), MATRIX]);
  const cases: readonly (readonly [string, Pickled])[] = [
    ['os.system', call(global('os', 'system'), text('exit 1'))],
    ['builtins.eval', dict([text('state_dict'), state], [text('x'), call(global('builtins', 'eval'), text('1'))])],
    ['torch.load', `${state}${text('torch')}${text('load')}\x93\x85R`],
    ['subprocess.Popen', `(${text('ls')}isubprocess\nPopen\n`],
    ['torch._utils.__builtins__', global('torch._utils', '__builtins__')],
    ['torch.FloatStorage.__class__', global('torch', 'FloatStorage.__class__')],
    ['os.\\u{7}system', global('os', '\x07system')],
  ];
  for (const [name, value] of cases) {
    await t.test(name, async (inner) => {
      await assertRefused(
        await fileOf(inner, archive(value)),
        new RegExp(`asks for ${name.replace(/[\\.{}]/g, '\\$&')}, which`),
      );
    });
  }
});
