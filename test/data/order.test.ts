import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCodePoints } from '../../src/data/order.js';

test('strings sort by code points, as Python sorts them', () => {
  // sorted(['b', 'B', 'a10', 'a2', 'é', 'жук', '蜂', '\uff21', '🐝', '🐞', '', '\udce9', '🐝\udce9']) in Python
  const sorted = ['', 'B', 'a10', 'a2', 'b', 'é', 'жук', '蜂', '\udce9', '\uff21', '🐝', '🐝\udce9', '🐞'];
  assert.deepEqual([...sorted].reverse().sort(compareCodePoints), sorted);
  assert.equal(compareCodePoints('ab', 'ab'), 0);
});
