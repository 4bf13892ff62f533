import { describe, it } from 'node:test';
import { AS_PYTORCH } from '../optim/support/as-pytorch.js';
import { temporaryDirectory } from '../support/paths.js';
import { Comparison, reference, skip } from './harness.js';

describe('schedules', { skip }, () => {
  it("move rates as PyTorch's schedulers do, at every step", async (t) => {
    const rates = (await reference('schedules', await temporaryDirectory(t), {})) as Record<string, readonly number[]>;
    const comparison = new Comparison('Rates of schedules, at each step', 1e-12);
    for (const [name, schedule, total] of AS_PYTORCH) {
      const theirs = rates[name] ?? [];
      for (let step = 0; step < total; step++) {
        comparison.add(`${name}, step ${step}`, Math.abs(schedule(step, total) - (theirs[step] ?? Number.NaN)));
      }
    }
    comparison.settle();
  });
});
