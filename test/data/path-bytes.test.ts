import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathBytes, pathFromBytes, showPath, systemPath } from '../../src/data/path-bytes.js';

/** Bytes, and the text that Python's os.fsdecode makes of them. */
const cases: readonly (readonly [string, readonly number[], string])[] = [
  ['ASCII', [0x61, 0x2e, 0x6a], 'a.j'],
  ['UTF-8', [...Buffer.from('é写😀')], 'é写😀'],
  ['Latin-1', [0x61, 0xe9, 0x2e], 'a\udce9.'],
  ['Latin-1 at the end', [0x61, 0xe9], 'a\udce9'],
  ['Shift-JIS, of which two bytes happen to be UTF-8', [0x8e, 0xca, 0x90, 0x5e], '\udc8eʐ^'],
  ['a character that is cut off', [0xe5, 0x86, 0x61], '\udce5\udc86a'],
  ['an overlong slash', [0xc0, 0xaf], '\udcc0\udcaf'],
  ['a surrogate in UTF-8', [0xed, 0xb3, 0xa9], '\udced\udcb3\udca9'],
  ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80], '\udcf4\udc90\udc80\udc80'],
  ['after a character of two units', [...Buffer.from('😀'), 0xff, ...Buffer.from('é')], '😀\udcffé'],
  ['the replacement character itself', [...Buffer.from('\uFFFD')], '\uFFFD'],
];
for (const [name, bytes, text] of cases) {
  test(`${name}: bytes to text and back`, () => {
    assert.equal(pathFromBytes(Uint8Array.from(bytes)), text);
    assert.deepEqual([...pathBytes(text)], bytes);
    assert.deepEqual([...Buffer.from(systemPath(text))], bytes);
    assert.equal(JSON.parse(JSON.stringify(text)), text);
  });
}

test('every byte string of two bytes comes back', () => {
  for (let a = 1; a < 256; a++) {
    for (let b = 1; b < 256; b++) assert.deepEqual([...pathBytes(pathFromBytes(Uint8Array.of(a, b)))], [a, b]);
  }
});

test('a person sees the byte', () => {
  assert.equal(showPath('fourmi_\udce9 😀.jpg'), 'fourmi_\\xE9 😀.jpg');
});
