import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fuzz } from './support/fuzz/run.js';
import { serveFake } from './support/serving.js';

it('fake', { timeout: 60_000 }, async (t) => {
  const { url, port, errors } = await serveFake(t, { timeoutMs: 400 });
  const f = await fuzz({ url, port, seconds: 5, seed: 1 });
  console.log(f);
  assert.deepEqual(errors, []);
});
