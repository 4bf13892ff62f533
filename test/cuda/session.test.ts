import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildSession, builtBefore } from './support/build.js';
import { skip } from './support/compiler.js';
import { runProgram } from './support/run.js';

const cases: Readonly<Record<string, string>> = {
  'whole-network': 'trains the whole network as the CPU does',
  'some-statistics': 'trains layer4 as the CPU does, with the statistics of the batch in some layers or none',
  'many-steps': 'takes the right rate, and tells of every step, beyond the rows that lie on the device',
  'broken-step': 'passes over a step whose loss is not finite, and tells of it after those before it',
  'scaled-losses': 'scales losses, and passes over steps that overflow',
  'moved-state': 'hands its state to the CPU, and takes it from there',
  'callers-gradients': "steps with the caller's gradients between steps of its own",
  'three-channels': 'trains with images of three channels what it trains with four',
  'fed-by-loader': 'is fed by a loader through slots that are used again in time, and trains what it does without',
  'early-reuse': 'is tested with streams that tell of memory that is used too early',
  'out-of-memory': 'tells lack of memory from other failures, and what to do about it',
  'when-recorded': 'records steps whose shape stays, and makes others plainly',
  'replayed-steps': 'replays steps as it would make them, bit for bit',
  'recorded-anew': 'records anew once weights were loaded, or batches are of another size for good',
  'broken-replay': 'trains nothing behind a replayed step whose loss is not finite',
  'baked-in': 'holds what is recorded to what a graph would do again',
  'narrow-copies': 'keeps weights in 16 bits as PyTorch rounds them',
  'narrow-session': 'trains in bfloat16 from weights that it keeps, as from weights that it rounds anew',
  'searched-batches': 'lets cuDNN search for the batches that come often alone',
};

describe("a session on the device's path, over the emulated kernels", { skip, concurrency: 2 }, () => {
  const built = builtBefore(buildSession);

  for (const [name, says] of Object.entries(cases)) {
    it(says, async () => {
      const outcome = await runProgram([built.program, name]);
      assert.equal(outcome.status, 0, outcome.stderr);
    });
  }
});
