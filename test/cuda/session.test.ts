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
  'other-losses': 'makes other losses small as the CPU does: smoothed, weighted, focal',
  'clipped-gradients': 'clips gradients by their norm as the CPU does',
  'moved-state': 'hands its state to the CPU, and takes it from there',
  'callers-gradients': "steps with the caller's gradients between steps of its own",
  'three-channels': 'trains with images of three channels what it trains with four',
  'fed-by-loader': 'is fed by a loader through slots that are used again in time, and trains what it does without',
  'features-on-device': 'keeps features on the device as far as they fit, and trains what it does without',
  'device-features': 'keeps rows of features in pieces, and gives them back in the order asked for',
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
  'recording-order': 'gives up a recording, and empties caches, before it records another, whatever fails',
  'recording-fails': 'goes on without a recording that fails, with the same results, and tells of it once',
  'idle-device': 'turns an executor to its device first, and gives memory back once all devices rest',
  'allocated-later': 'makes a model without a device, which takes its memory later',
  'kernel-without-memory': 'gives memory back where a kernel cannot be loaded, tries once more, and tells what lacks',
  'search-of-two': 'does not end the search of one session with that of another',
  'step-launches': 'makes a step of everything in 400 launches at most, of which it is known what they are',
  'plain-convolutions': 'leaves biases that no ReLU follows to what reads next, and computes the same',
  'padded-predictions': 'predicts in batches of a few sizes, whose plans are made when the predictor is',
  'evaluation-in-one-read': 'evaluates without a wait for each batch, and reads sums in the end',
  'evaluation-not-finite': 'tells after an evaluation which image was not finite',
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
