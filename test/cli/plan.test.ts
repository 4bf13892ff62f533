import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { strategyFromArguments } from '../../src/cli/plan.js';
import { planReport, runPlanReport, showPlan } from '../../src/cli/report.js';
import type { RunSettings } from '../../src/training/settings.js';
import { strategies } from '../../src/training/strategies.js';

describe('strategyFromArguments', () => {
  it('is the differential strategy where nothing is said', () => {
    assert.deepEqual(strategyFromArguments({}), strategies.differential);
  });

  it('replaces the parts that flags name', () => {
    const strategy = strategyFromArguments({
      strategy: 'feature-extraction',
      freezeUntil: 'layer3',
      optimizer: 'sgd',
      headLr: 0.01,
      augment: 'flip',
      head: [],
      dropout: 0.5,
      batchNorm: 'eval',
    });
    assert.deepEqual(strategy.freeze, { until: 'layer3' });
    assert.equal(strategy.optimizer.kind, 'sgd');
    assert.equal(strategy.groups.headLr, 0.01);
    assert.equal(strategy.augment, 'flip');
    assert.equal(strategy.batchNorm, 'eval');
    assert.deepEqual(strategy.head, { hidden: [], dropout: 0.5 });
    assert.deepEqual(strategy.schedule, strategies['feature-extraction'].schedule);
  });

  it("takes an optimizer's settings", () => {
    const optimizerOptions = { momentum: 0.9, centered: true };
    const { optimizer } = strategyFromArguments({ strategy: 'full', optimizer: 'rmsprop', optimizerOptions });
    assert.deepEqual(optimizer, { kind: 'rmsprop', alpha: 0.99, eps: 1e-8, momentum: 0.9, centered: true });
  });

  it('takes a schedule and its power, and shows them', () => {
    const strategy = strategyFromArguments({ strategy: 'full', schedule: 'polynomial', schedulePower: 2 });
    assert.deepEqual(strategy.schedule, { kind: 'polynomial', warmupEpochs: 1, power: 2 });
    const [first] = showPlan(
      planReport(strategy, { arch: 'resnet50', head: { classes: 2, hidden: [], dropout: 0 } }),
    ).split('\n');
    assert.match(first ?? '', /, polynomial schedule \(power 2\), warm-up over 1 epochs,/);
  });

  it('takes parts of the augmentation, and shows them', () => {
    const parts = { cropScale: [0.5, 1], colorJitter: { brightness: 0.4, hue: 0.1 }, randomErasing: 0.25 } as const;
    const strategy = strategyFromArguments({ strategy: 'full', ...parts });
    assert.deepEqual(strategy.augment, { policy: 'standard', ...parts });
    const [first] = showPlan(
      planReport(strategy, { arch: 'resnet50', head: { classes: 2, hidden: [], dropout: 0 } }),
    ).split('\n');
    assert.match(
      first ?? '',
      /, augmentation standard, crop scale 0.5 to 1, colour jitter \(brightness 0.4, hue 0.1\), random erasing 0.25$/,
    );
  });

  it('takes each freeze rule', () => {
    assert.equal(strategyFromArguments({ freeze: 'backbone' }).freeze, 'backbone');
    assert.deepEqual(strategyFromArguments({ freezeFraction: 0.5 }).freeze, { fraction: 0.5 });
    assert.deepEqual(strategyFromArguments({ freezeMatch: '^layer1' }).freeze, { match: '^layer1' });
  });
});

describe('planReport', () => {
  const network = { arch: 'resnet50', head: { classes: 2, hidden: [1024], dropout: 0 } } as const;

  it('has a row a unit with its group and rate', () => {
    const plan = planReport(strategies['feature-extraction'], network);
    assert.equal(plan.units.length, 18);
    assert.equal(plan.frozenPrefixUnits, 17);
    assert.equal(plan.trainable, 2048 * 1024 + 1024 + 1024 * 2 + 2);
    assert.equal(plan.units[0]?.trainable, 0);
    assert.equal(plan.units.at(-1)?.groups[0]?.lr, 1e-3);
  });

  it('shows what a run computed in, and its loss scale', () => {
    const { freeze, batchNorm, optimizer, schedule, augment } = strategies.full;
    const run = { strategy: 'full', freeze, batchNorm, optimizer, schedule, augment, groups: [] };
    const shown = (settings: Pick<RunSettings, 'precision'> & Partial<RunSettings>) =>
      showPlan(runPlanReport({ ...run, ...settings } as unknown as RunSettings, network)).split('\n')[0] ?? '';
    assert.match(shown({ precision: 'bf16', lossScale: null }), /, augmentation standard, bf16$/);
    assert.match(shown({ precision: 'fp16', lossScale: 128 }), /, fp16, loss scale 128$/);
    assert.match(shown({ precision: 'fp16' }), /, fp16, loss scale dynamic$/);
    assert.match(showPlan(planReport(strategies.full, network)).split('\n')[0] ?? '', /, augmentation standard$/);
  });

  it('shows the settings of a run, as the command line has them', () => {
    const { freeze, batchNorm, optimizer, schedule, augment } = strategies.full;
    const known = { epochs: 3, seed: 7, imageSize: 64, resize: 73, skipCorrupt: true, batchSize: 8, precision: 'fp32' };
    const run = { strategy: 'full', freeze, batchNorm, optimizer, schedule, augment, groups: [], ...known };
    const plan = runPlanReport(run as unknown as RunSettings, network);
    // A run of an earlier version has not written what came later.
    const unsaid = { clipNorm: null, lossScale: null, patience: null, cacheViews: null };
    assert.deepEqual(plan.settings, { ...known, ...unsaid, bestMetric: 'top1', cache: 'auto' });
    assert.equal(
      showPlan(plan).split('\n')[1],
      'Settings: --epochs 3 --best-metric top1 --seed 7 --image-size 64 --resize 73 --skip-corrupt --batch-size 8 --precision fp32 --cache auto',
    );
    assert.equal(planReport(strategies.full, network).settings, null);
  });

  it('shows rates by unit', () => {
    const lines = showPlan(planReport(strategies.differential, network)).split('\n');
    const row = (unit: string): string => lines.find((line) => line.startsWith(`${unit} `)) ?? '';
    assert.match(row('stem'), /9,536 +trains +train +.* 1e-6 +0$/);
    assert.match(row('layer4.2'), / 1e-4 +0$/);
    assert.match(row('head'), / 1e-3 +0$/);
  });
});
