import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOutput } from '../../src/cli/output.js';
import { defaultOut } from '../../src/cli/run-training.js';
import { describeDrift, trainingTeller } from '../../src/cli/training-output.js';
import type { UnitName } from '../../src/model/architecture.js';
import { UNIT_NAMES } from '../../src/model/units.js';
import type {
  EpochEvent,
  ImageCachePlan,
  ResultEvent,
  StartEvent,
  StepEvent,
  TrainingEvent,
} from '../../src/training/events.js';

function drift(moved: Partial<Record<UnitName, number>>): EpochEvent['drift'] {
  return Object.fromEntries(UNIT_NAMES.map((name) => [name, moved[name] ?? 0])) as Record<UnitName, number>;
}

describe('describeDrift', () => {
  it('names the unit of the backbone that moved most, and the head', () => {
    assert.equal(describeDrift(drift({ stem: 0.001, 'layer4.0': 0.0123, head: 0.5 })), 'layer4.0 1.2%, head 50%');
  });

  it('leaves out a backbone that stands still', () => {
    assert.equal(describeDrift(drift({ head: 0.031 })), 'head 3.1%');
  });
});

const start: StartEvent = {
  type: 'start',
  strategy: 'full',
  classes: ['ant', 'bee'],
  images: { train: 2000, val: 500 },
  notes: [],
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
  bestMetric: 'top1',
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
};

/** What is printed of events, on standard output and standard error, line by line. */
function linesOf(...events: readonly TrainingEvent[]): string[] {
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text) };
  const tell = trainingTeller(createOutput({ stdout: sink, stderr: sink }));
  for (const event of events) tell(event);
  return lines.join('').trimEnd().split('\n');
}

const epoch: EpochEvent = {
  type: 'epoch',
  epoch: 2,
  epochs: 10,
  step: 16,
  train: { loss: 0.41126, top1: 0.8, images: 245 },
  val: { loss: 0.35, top1: 0.915, top5: 0.99, balancedAccuracy: 0.9, images: 153 },
  drift: drift({ head: 0.12 }),
  cache: null,
  best: true,
  seconds: { train: 10, val: 2, waiting: 0.4 },
  imagesPerSecond: 24.46,
};

describe('the line of an epoch', () => {
  it('has what is looked at', () => {
    assert.deepEqual(linesOf(epoch), ['epoch 2/10  train 0.4113  val 0.3500  top-1/5 91.50%/99.00%  best  24.5 img/s']);
    const few = { ...epoch, best: false, val: { loss: 0.35, top1: 0.915, balancedAccuracy: 0.9, images: 153 } };
    assert.deepEqual(linesOf(few), ['epoch 2/10  train 0.4113  val 0.3500  top-1 91.50%  24.5 img/s']);
  });

  it('fits 80 columns, whatever its figures', () => {
    const long: EpochEvent = { ...epoch, epoch: 100, epochs: 100, imagesPerSecond: 2345.67 };
    assert.deepEqual(linesOf(long), [
      'epoch 100/100  train 0.4113  val 0.3500  top-1/5 91.50%/99.00%  best  2346 img/s',
    ]);
    const odd: EpochEvent = {
      ...long,
      epoch: 123_456,
      epochs: 1_000_000,
      train: { ...long.train, loss: 123456.789 },
      val: { loss: 1e9, top1: 1, top5: 1, balancedAccuracy: 1, images: 1 },
      seconds: { train: 1e5, val: 2, waiting: 99_999 },
    };
    const lines = linesOf(odd);
    assert.equal(lines.length, 2);
    for (const line of lines) assert.ok(line.length <= 80, line);
    assert.match(
      lines.join(' '),
      /val 1\.0000e\+9 .*100\.00%\/100\.00%.*best.*2346 img\/s.*waited 99999\.0 s for images/,
    );
  });

  it('says in a line of its own that a twentieth of the time or more was waited for images', () => {
    const waiting = { ...epoch, seconds: { ...epoch.seconds, waiting: 2.14 } };
    assert.deepEqual(linesOf(waiting).slice(1), ['  waited 2.1 s for images']);
  });
});

describe('the end of a run', () => {
  const result: ResultEvent = {
    type: 'result',
    best: { epoch: 2, top1: 0.9, loss: 0.3 },
    last: { epoch: 2, top1: 0.9, loss: 0.3 },
    epochs: 2,
    steps: 16,
    skipped: 0,
    seconds: 3,
    imagesPerSecond: 20,
    out: '/runs/one',
    stopped: false,
    checkpoint: '/runs/one/best.safetensors',
  };

  it('says what moved since the start, and repeats the notes', () => {
    const notes = [{ code: 'files-not-read', message: 'Not read: 1 file with the extension .txt (a.txt)' }];
    const lines = linesOf({ ...start, notes }, { ...epoch, drift: drift({ 'layer4.0': 0.0123, head: 0.5 }) }, result);
    assert.deepEqual(lines.slice(-4), [
      'Best: epoch 2, top-1 90.00%, loss 0.3000; 3 s in all, 20.0 img/s',
      'Moved since the start: layer4.0 1.2%, head 50%',
      'Results are in /runs/one',
      'Note: Not read: 1 file with the extension .txt (a.txt)',
    ]);
  });

  it('says what the best epoch was chosen by, where that was asked for', () => {
    const asked = { ...start, bestMetric: 'balanced-accuracy' } as const;
    const chosen = { ...result, best: { ...result.best, balancedAccuracy: 0.85 } };
    const lines = linesOf(asked, epoch, chosen);
    assert.ok(
      lines.some((line) => line.includes('balanced accuracy 90.00%  best')),
      lines.join('\n'),
    );
    assert.ok(
      lines.includes(
        'Best by balanced accuracy: epoch 2, top-1 90.00%, balanced accuracy 85.00%, loss 0.3000; 3 s in all, 20.0 img/s',
      ),
      lines.join('\n'),
    );
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
  const filling = (found: number): StartEvent =>
    ({
      notes: [],
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
    assert.match(detailAfter(filling(0)), /filling the cache/);
    assert.doesNotMatch(detailAfter(filling(10)), /filling/);
    const stopped = { type: 'cache', epoch: 1, step: 1, message: 'the memory limit is reached' } as const;
    assert.doesNotMatch(detailAfter(filling(0), stopped), /filling/);
  });
});

describe('what a run meets on its way', () => {
  it('is told at once, and again at the end', () => {
    const met = { type: 'note', epoch: 2, step: 9, code: 'step-not-recorded', message: 'No memory for it.' } as const;
    const best = { epoch: 2, top1: 0.9, loss: 0.3 };
    const figures = { epochs: 2, steps: 16, skipped: 0, seconds: 1, imagesPerSecond: 1, stopped: false };
    const result = { type: 'result', best, last: best, ...figures, out: null, checkpoint: null } as const;
    const lines = linesOf(start, met, result);
    assert.equal(lines.filter((line) => line === 'Note: No memory for it.').length, 2, lines.join('\n'));
    assert.equal(lines.at(-1), 'Note: No memory for it.');
  });
});

describe('what a run begins with', () => {
  const told = (event: StartEvent) => linesOf(event);

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
