import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { native } from '../../src/native/load.js';
import { fails } from '../support/fails.js';
import { newModel } from './support/sessions.js';

const shape = [2, 3, 64, 64] as const;
const images = new Float32Array(2 * 3 * 64 * 64).fill(0.5);

describe('a profile', () => {
  it('says what was computed meanwhile, by name, and that every part counts once', async () => {
    const model = newModel({ classes: 3, seed: 0 });
    await native().startProfile('cpu');
    await assert.rejects(native().startProfile('cpu'), fails('ERR_BUSY', /already/));
    const start = performance.now();
    await model.forward(images, shape, { output: 'logits', compute: 'dtype', eager: true });
    const wall = performance.now() - start;
    const profile = await native().stopProfile('cpu');
    await assert.rejects(native().stopProfile('cpu'), fails('ERR_INVALID_ARGUMENT', /No profile/));
    model.dispose();

    const convolutions = profile.filter(({ name }) => name === 'aten::convolution');
    assert.deepEqual(
      convolutions.map(({ count, onDevice }) => [count, onDevice]),
      [[53, false]],
    );
    const total = profile.reduce((sum, { ms }) => sum + ms, 0);
    assert.ok(total > 0 && total <= wall * 1.05, `${total} ms of ${wall}`);
    assert.ok(profile.every(({ ms }, i) => i === 0 || ms <= (profile[i - 1]?.ms ?? 0)));
  });
});
