import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PickleEnvironment, unpickle } from '../../../src/model/weights/pickle.js';
import {
  PickleDict,
  PickleFault,
  PickleFunction,
  PickleList,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from '../../../src/model/weights/pickle-values.js';
import { pickleBytes } from '../../support/pickle.js';

const ENVIRONMENT: PickleEnvironment = {
  global(name) {
    if (name === 'test.echo') return new PickleFunction(name, (parameters) => new PickleTuple(parameters));
    throw new PickleFault(`asks for ${name}`);
  },
  persistent: (id) => new PickleTuple(['persistent', id]),
};

/** Containers as plain JavaScript, to compare. */
function plain(value: PickleValue): unknown {
  if (value instanceof PickleTuple) return { tuple: value.items.map(plain) };
  if (value instanceof PickleList) return value.items.map(plain);
  if (value instanceof PickleDict) return new Map([...value.entries].map(([key, item]) => [plain(key), plain(item)]));
  if (value instanceof PickleSet) return new Set([...value.items].map(plain));
  return value instanceof Uint8Array ? [...value] : value;
}

async function load(opcodes: string, protocol = 2): Promise<unknown> {
  return plain(await unpickle(pickleBytes(opcodes, protocol), ENVIRONMENT));
}

test('numbers', async () => {
  assert.equal(await load('K\xff'), 255);
  assert.equal(await load('M\x01\x02'), 513);
  assert.equal(await load('J\xff\xff\xff\xff'), -1);
  assert.equal(await load('\x8a\x00'), 0);
  assert.equal(await load('\x8a\x01\xff'), -1);
  assert.equal(await load('\x8a\x02\xff\x00'), 255);
  assert.equal(await load('\x8a\x09\x01\x00\x00\x00\x00\x00\x00\x80\x00'), 2n ** 63n + 1n);
  assert.equal(await load('\x8b\x01\x00\x00\x00\x80'), -128);
  assert.equal(await load('G\x3f\xf8\x00\x00\x00\x00\x00\x00'), 1.5);
  assert.deepEqual(await load('(NKaU\x01b\x88\x89t'), { tuple: [null, 97, 'b', true, false] });
});

test('texts and bytes of every length of length', async () => {
  assert.equal(await load('X\x02\x00\x00\x00\xc3\xa9'), 'é');
  assert.equal(await load('\x8c\x01a', 4), 'a');
  assert.equal(await load('\x8d\x01\x00\x00\x00\x00\x00\x00\x00a', 4), 'a');
  assert.equal(await load('T\x01\x00\x00\x00a'), 'a');
  assert.deepEqual(await load('C\x01a', 3), [97]);
  assert.deepEqual(await load('B\x01\x00\x00\x00a', 3), [97]);
  assert.deepEqual(await load('\x8e\x01\x00\x00\x00\x00\x00\x00\x00a', 4), [97]);
  assert.deepEqual(await load('\x96\x01\x00\x00\x00\x00\x00\x00\x00a', 5), [97]);
});

test('containers, nested and shared', async () => {
  assert.deepEqual(await load('](K\x01K\x02e'), [1, 2]);
  assert.deepEqual(await load(']K\x01a'), [1]);
  assert.deepEqual(await load('K\x01K\x02K\x03\x87'), { tuple: [1, 2, 3] });
  assert.deepEqual(await load('K\x01K\x02\x86'), { tuple: [1, 2] });
  assert.deepEqual(await load('}K\x01K\x02s'), new Map([[1, 2]]));
  assert.deepEqual(
    await load('}(K\x01K\x02K\x03K\x04u'),
    new Map([
      [1, 2],
      [3, 4],
    ]),
  );
  assert.deepEqual(await load('\x8f(K\x01\x90', 4), new Set([1]));
  assert.deepEqual(await load('(K\x01\x91', 4), new Set([1]));
  assert.deepEqual(await load(']q\x00K\x05ah\x00\x86'), { tuple: [[5], [5]] });
  assert.deepEqual(await load('\x95\x04\x00\x00\x00\x00\x00\x00\x00]\x94h\x00\x86', 4), { tuple: [[], []] });
  assert.deepEqual(await load('K\x01r\x00\x01\x00\x00j\x00\x01\x00\x00\x86'), { tuple: [1, 1] });
  assert.deepEqual(await load('K\x01(K\x02K\x030t)K\x04(K\x05K\x061\x86'), { tuple: [{ tuple: [] }, 4] });
  assert.deepEqual(await load('K\x012\x86'), { tuple: [1, 1] });
});

test('allowed calls and persistent ids', async () => {
  assert.deepEqual(await load('ctest\necho\nK\x01\x85R'), { tuple: [1] });
  assert.deepEqual(await load('\x8c\x04test\x8c\x04echo\x93)\x81', 4), { tuple: [] });
  assert.deepEqual(await load('K\x07Q'), { tuple: ['persistent', 7] });
});

test('a self-containing list ends', async () => {
  const value = await unpickle(pickleBytes(']q\x00h\x00a'), ENVIRONMENT);
  assert.ok(value instanceof PickleList && value.items[0] === value);
});

test('what is damaged or not allowed is refused', async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['no STOP', 'K\x01K', /truncated/],
    ['an empty pickle', '', /empty stack/],
    ['text past the end', 'X\xff\xff\xff\x7fa', /truncated/],
    ['text of a negative length', 'T\xff\xff\xff\xff', /truncated/],
    ['bytes past 2^53', '\x8e\xff\xff\xff\xff\xff\xff\xff\xff', /truncated/],
    ['an integer of 64 kB', '\x8b\x00\x00\x01\x00', /integer of 65536 bytes/],
    ['a mark that is missing', 'K\x01t', /group/],
    ['a value kept nowhere', 'h\x05', /value 5/],
    ['items of a list', ']K\x01K\x02s', /not a dict/],
    ['an odd number of items', '}(K\x01u', /without a value/],
    ['appending to a dict', '}K\x01a', /not a list/],
    ['a call of a number', 'K\x01)R', /not a function/],
    ['a call without a tuple', 'ctest\necho\nK\x01R', /without a tuple/],
    ['attributes of a list', ']}b', /attributes/],
    ['a global', 'cos\nsystem\n', /asks for os\.system/],
    ['a global without an end', 'cos', /does not end/],
    ['an extension', '\x82\x01', /opcode 0x82 at byte 2/],
    ['a persistent id of protocol 0', 'Pid\n', /opcode 0x50/],
    ['an out-of-band buffer', '\x97', /opcode 0x97/],
  ];
  for (const [name, opcodes, message] of cases) {
    await t.test(name, () =>
      assert.rejects(load(opcodes), (error) => error instanceof PickleFault && message.test(error.message)),
    );
  }
  await t.test('protocol 0', () => assert.rejects(load('N', 0), /protocol 0/));
  await t.test('protocol 6', () => assert.rejects(load('N', 6), /protocol 6/));
});

test('limits hold for many containers and for deep nesting', async () => {
  await assert.rejects(load(']'.repeat(1_000_001)), /more than 1000000/);
  await assert.rejects(load('('.repeat(1_000_001)), /more than 1000000/);
  const deep = await unpickle(pickleBytes(`${']'.repeat(50_000)}${'a'.repeat(49_999)}`), ENVIRONMENT);
  assert.ok(deep instanceof PickleList);
});

test('a long pickle leaves turns to the event loop', async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  await load(`${'K\x010'.repeat(2_000_000)}N`);
  clearInterval(timer);
  assert.ok(turns > 0);
});
