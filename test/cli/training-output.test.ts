import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOutput } from '../../src/cli/output.js';
import { defaultOut } from '../../src/cli/run-training.js';
import { describeDrift, trainingTeller } from '../../src/cli/training-output.js';
import { UNIT_NAMES, type UnitName } from '../../src/model/units.js';
import type { EpochEvent, ImageCachePlan, StartEvent, StepEvent, TrainingEvent } from '../../src/training/events.js';

function drift(moved: Partial<Record<UnitName, number>>): EpochEvent['drift'] {
  const still = Object.fromEntries(UNIT_NAMES.map((name) => [name, 0])) as Record<UnitName, number>;
  return { ...still, ...moved };
}

describe('describeDrift', () => {
  it('names the unit of the backbone that moved most, and the head', () => {
    assert.equal(describeDrift(drift({ stem: 0.001, 'layer4.0': 0.0123, head: 0.5 })), 'layer4.0 1.2%, head 50%');
  });

  it('leaves out a backbone that stands still', () => {
    assert.equal(describeDrift(drift({ head: 0.031 })), 'head 3.1%');
  });
});

describe('trainingTeller', () => {
  it('prints one line an epoch', () => {
    const lines: string[] = [];
    const output = createOutput({ stdout: { write: (text) => lines.push(text) } });
    const event = {
      type: 'epoch',
      epoch: 2,
      epochs: 10,
      step: 16,
      train: { loss: 0.41126, top1: 0.8, images: 245 },
      val: { loss: 0.35, top1: 0.915, top5: 0.99, images: 153 },
      drift: drift({ head: 0.12 }),
      cache: null,
      best: true,
      seconds: { train: 10, val: 2, waiting: 0.4 },
      imagesPerSecond: 24.46,
    } as const;
    const tell = trainingTeller(output);
    tell(event);
    tell({ ...event, seconds: { ...event.seconds, waiting: 2.14 } });
    const line = 'epoch 2/10  train 0.4113  val 0.3500  top-1 91.50%  top-5 99.00%  drift head 12%  24.5 img/s';
    assert.deepEqual(lines, [`${line}  best\n`, `${line}  waited 2.1 s for images  best\n`]);
  });
});

describe('the first epoch with a cache', () => {
  const step: StepEvent = {
    type: 'step',
    epoch: 1,
    step: 1,
    steps: 8,
    loss: 0.6,
    accuracy: 0.5,
    images: 32,
    lr: { all: 1e-3 },
    imagesPerSecond: 20,
  };
  /** What the bar says of a step after these events. */
  const detailAfter = (...events: readonly TrainingEvent[]): string => {
    const details: string[] = [];
    const silent = createOutput({ stdout: { write: () => true }, stderr: { write: () => true } });
    const tell = trainingTeller({ ...silent, progress: (_task, _done, _total, detail = '') => details.push(detail) });
    for (const event of [...events, step]) tell(event);
    return details.at(-1) ?? '';
  };
  const start = (found: number): StartEvent =>
    ({
      type: 'start',
      classes: ['a', 'b'],
      images: { train: 6, val: 4 },
      groups: [],
      stepsPerEpoch: 4,
      cache: { mode: 'disk', views: 1, entries: 10, bytes: 81_920, found, path: '/cache' },
      cacheNote: 'The first epoch fills a cache.',
      imageCache: null,
      lossScale: null,
      trainable: 1,
      parameters: 1,
      resumedAt: null,
    }) as unknown as StartEvent;

  it('says that it fills it, until it is filled or takes no more', () => {
    assert.match(detailAfter(start(0)), /filling the cache/);
    assert.doesNotMatch(detailAfter(start(10)), /filling/);
    const stopped = { type: 'cache', epoch: 1, step: 1, message: 'the memory limit is reached' } as const;
    assert.doesNotMatch(detailAfter(start(0), stopped), /filling/);
  });
});

describe('what a run begins with', () => {
  const start = {
    type: 'start',
    strategy: 'full',
    classes: ['ant', 'bee'],
    images: { train: 2000, val: 500 },
    epochs: 10,
    stepsPerEpoch: 63,
    steps: 630,
    batchSize: 32,
    imageSize: 224,
    resize: 256,
    seed: 0,
    device: 'cpu',
    precision: 'fp32',
    lossScale: null,
    optimizer: 'adamw',
    parameters: 3000,
    trainable: 2000,
    frozenPrefixUnits: 0,
    groups: [{ name: 'all', lr: 1e-4, weightDecay: 0, parameters: 2000 }],
    imageCache: null,
    cache: null,
    cacheNote: '',
    out: null,
    resumedAt: null,
  } as const;
  const told = (event: StartEvent) => {
    const lines: string[] = [];
    trainingTeller(createOutput({ stdout: { write: (text) => lines.push(text) } }))(event);
    return lines.join('').trimEnd().split('\n');
  };

  it('says the precision and, in fp16, the loss scale', () => {
    assert.match(told(start)[2] ?? '', /, 224×224 px, fp32 on cpu$/);
    const half = { ...start, device: 'cuda:0', precision: 'fp16' } as const;
    assert.match(told({ ...half, lossScale: 'dynamic' })[2] ?? '', /, fp16 \(loss scale dynamic\) on cuda:0$/);
    assert.match(told({ ...half, lossScale: 128 })[2] ?? '', /, fp16 \(loss scale 128\) on cuda:0$/);
  });

  it('says how many decoded images may stay in memory, where they are to', () => {
    const tell = (imageCache: ImageCachePlan | null) => told({ ...start, imageCache }).slice(3);
    assert.deepEqual(tell(null), []);
    assert.deepEqual(tell({ images: 2500, bytes: 1_234_000_000, limit: 3e9 }), [
      'decoded images stay in memory: all 2,500, 1,234 MB of at most 3,000 MB',
    ]);
    assert.deepEqual(tell({ images: 600, bytes: 299_000_001, limit: 3e8 }), [
      'decoded images stay in memory: up to 600 of 2,500, 300 MB of at most 300 MB',
    ]);
  });
});

describe('defaultOut', () => {
  it('names a run after its time and strategy', () => {
    assert.match(defaultOut(new Date(2026, 0, 31, 8, 5, 2), 'partial'), /^runs.20260131-080502-partial$/);
  });
});
