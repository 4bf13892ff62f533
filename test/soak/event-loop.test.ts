import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Delay, delayInPrediction, delayInTraining, photographGround } from '../safety/support/loads.js';
import { soakSeconds } from './support/seconds.js';

/** All cores and waits that spin, as in a process that says nothing about them. */
const load = {
  imageSize: 224,
  seconds: soakSeconds(60),
  env: { OMP_NUM_THREADS: undefined, OMP_WAIT_POLICY: undefined },
};

function told({ p50, p99, max, images, seconds }: Delay): string {
  return (
    `event-loop delay p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, most ${max.toFixed(1)} ms ` +
    `at ${(images / seconds).toFixed(1)} img/s`
  );
}

describe('the event loop', () => {
  it('is at most 10 ms late in 99 of 100 cases while a run trains in its process', async (t) => {
    const delay = await delayInTraining(await photographGround(t, 128), load);
    t.diagnostic(told(delay));
    assert.ok(delay.p99 < 10, told(delay));
  });

  it('is at most 10 ms late in 99 of 100 cases while predictions are made at full load', async (t) => {
    const delay = await delayInPrediction(await photographGround(t, 128), load);
    t.diagnostic(told(delay));
    assert.ok(delay.p99 < 10, told(delay));
  });
});
