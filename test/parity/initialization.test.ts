import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { Comparison, nativeModel, reference, skip } from './harness.js';

describe('initialization', { skip }, () => {
  it("draws from torchvision's distributions", async (t) => {
    const folder = await temporaryDirectory(t);
    const head = { classes: 200, hidden: [1024] };
    const model = nativeModel(head, 'float32', 3);
    await model.save(join(folder, 'ours.safetensors'), {});
    model.dispose();
    const answer = (await reference('initialization', folder, head)) as Record<string, readonly [number, number]>;
    // The worst of 500 sound figures lies about 3 standard errors out; of a wrong distribution, tens or hundreds.
    const ours = new Comparison('Initialisation: mean, deviation, tails of each tensor, in standard errors', 5);
    const theirs = new Comparison("Initialisation: the same of torchvision's own draw", 5);
    for (const [name, [mine, other]] of Object.entries(answer)) {
      ours.add(name, mine ?? Number.POSITIVE_INFINITY);
      theirs.add(name, other ?? Number.POSITIVE_INFINITY);
    }
    ours.settle();
    theirs.settle();
  });
});
