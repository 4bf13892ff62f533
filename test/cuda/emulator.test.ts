import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildFaults, builtBefore } from './support/build.js';
import { skip } from './support/compiler.js';
import { runProgram } from './support/run.js';

const right = { sumByHalves: '4560', sumByShuffles: '4560', shuffles: '288', halfWarps: '192', lastBlock: '21' };

const faults = {
  missingBarrier:
    /shared memory is (read that another thread wrote|written that another thread read) without a barrier/,
  uninitialised: /read before it was written/,
  leftByAnotherBlock: /read before it was written/,
  beyondShared: /out of bounds/,
  barrierAfterExit: /barrier after some thread|ends while others of its block wait at a barrier/,
  differentBarriers: /wait at different barriers/,
  narrowMask: /the mask lacks its caller/,
  maskOfAbsentLanes: /the mask names a lane that has ended|wait for ever/,
  readBeyondMask: /reads a lane that is not in the mask/,
  laneThatNeverComes: /wait for ever/,
  laneBeyondBlock: /names a lane beyond the block/,
  blockWithoutFence: /a thread has fenced no writes/,
  blockWithoutBarrier: /a block is reported( without a barrier|, of which a thread has fenced no writes)/,
  emptyGrid: /a grid out of range/,
  largeBlock: /a block of 1056 threads/,
};

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

describe('the emulator of CUDA', { skip, concurrency: 2 }, () => {
  const built = builtBefore(buildFaults);

  const results = async (kernel: string): Promise<readonly string[]> => {
    const outcome = await runProgram([built.program, kernel, ...seeds]);
    assert.equal(outcome.status, 0, outcome.stderr);
    const lines = outcome.stdout.trimEnd().split('\n');
    assert.equal(lines.length, seeds.length);
    return lines;
  };

  for (const [kernel, result] of Object.entries(right)) {
    it(`runs ${kernel}`, async () => {
      assert.deepEqual(new Set(await results(kernel)), new Set([result]));
    });
  }

  for (const [kernel, fault] of Object.entries(faults)) {
    it(`does not let ${kernel} pass, whatever the order`, async () => {
      for (const result of await results(kernel)) assert.match(result, fault);
    });
  }

  it('takes blocks and threads in an order that follows from the seed', async () => {
    const once = await results('order');
    assert.deepEqual(await results('order'), once);
    assert.ok(new Set(once).size > 2);
  });
});
