import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { schedules } from '../../src/optim/schedules.js';
import { UNCHANGED } from '../../src/training/epoch-control.js';
import { epochsOf, type Phase, type Phases, phaseAt, phasesOf, ratesAt, viewOf } from '../../src/training/phases.js';
import type { RunSettings } from '../../src/training/settings.js';

function phase(changes: Partial<Phase>): Phase {
  return {
    freeze: 'none',
    batchNorm: 'follow',
    batchNormTraining: [],
    frozenPrefixUnits: 0,
    groups: [{ name: 'all', parameters: ['fc.weight'], lr: 1, weightDecay: 0 }],
    schedule: { kind: 'linear' },
    epochs: 2,
    augment: 'standard',
    imageSize: 64,
    resize: 73,
    factor: schedules.linear(),
    ...changes,
  };
}

const large = phase({ epochs: 3, imageSize: 96, augment: 'flip' });
const phases: Phases = [phase({}), large];

describe('the phases of a run', () => {
  it('are one where its settings hold throughout', () => {
    const { factor, ...own } = phase({ epochs: 7 });
    const settings = { ...own, seed: 3, batchSize: 8 } as unknown as RunSettings;
    assert.deepEqual(phasesOf(settings, factor), [{ ...own, factor }]);
    const [only] = phasesOf(settings, factor);
    for (const epoch of [0, 6, 7]) assert.deepEqual(phaseAt([only], epoch), { phase: only, firstEpoch: 0 });
  });

  it('follow each other, epoch by epoch', () => {
    assert.equal(epochsOf(phases), 5);
    const found = [0, 1, 2, 4, 5].map((epoch) => phaseAt(phases, epoch));
    assert.deepEqual(
      found.map(({ phase: { imageSize }, firstEpoch }) => [imageSize, firstEpoch]),
      [
        [64, 0],
        [64, 0],
        [96, 2],
        [96, 2],
        [96, 2],
      ],
    );
  });

  it('have their own schedule, from its first step to its last', () => {
    const rates = (epoch: number, step: number, count: number) => [
      ...ratesAt(phaseAt(phases, epoch), { step, changes: UNCHANGED }, count, 2),
    ];
    assert.deepEqual([...rates(0, 0, 2), ...rates(1, 2, 2)], [1, 0.75, 0.5, 0.25]);
    assert.deepEqual(rates(2, 4, 2), [1, 1 - 1 / 6]);
    const halved = ratesAt(phaseAt(phases, 0), { step: 0, changes: { rates: [0.5], stopped: false } }, 1, 2);
    assert.deepEqual([...halved], [0.5]);
  });

  it('vary images in training alone', () => {
    const varied = phase({ augment: { policy: 'standard', randomErasing: 0.25 } });
    const { crop } = viewOf(large, true);
    assert.deepEqual([crop.size, crop.flip], [96, 0.5]);
    assert.deepEqual([viewOf(varied, true).crop.kind, viewOf(varied, false).crop.kind], ['random', 'center']);
    assert.equal(viewOf(large, false).crop.flip, 0);
    assert.deepEqual([viewOf(varied, true).transforms?.length, viewOf(varied, false).transforms], [1, []]);
  });
});
