import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type CacheSettings,
  checkCacheSettings,
  featureBytes,
  formatBytes,
  planFeatureCache,
} from '../../src/training/feature-cache.js';

const GB = 1e9;
const images = { train: 245, val: 153 };
const room = { memory: 16 * GB, disk: 100 * GB };

const settings = (o: Partial<CacheSettings> = {}): CacheSettings => ({
  cache: 'auto',
  cacheViews: null,
  frozenPrefixUnits: 8,
  augment: 'flip',
  imageSize: 224,
  precision: 'bf16',
  epochs: 10,
  ...o,
});

describe('the bytes of features', () => {
  it('are those of the output behind the cut', () => {
    assert.equal(featureBytes('resnet50', 1, 224, 'fp32'), 64 * 56 * 56 * 4);
    assert.equal(featureBytes('resnet50', 2, 224, 'bf16'), 256 * 56 * 56 * 2);
    assert.equal(featureBytes('resnet50', 4, 224, 'bf16'), 256 * 56 * 56 * 2);
    assert.equal(featureBytes('resnet50', 5, 224, 'bf16'), 512 * 28 * 28 * 2);
    assert.equal(featureBytes('resnet50', 8, 224, 'fp32'), 512 * 28 * 28 * 4);
    assert.equal(featureBytes('resnet50', 14, 224, 'bf16'), 1024 * 14 * 14 * 2);
    assert.equal(featureBytes('resnet50', 16, 224, 'bf16'), 2048 * 7 * 7 * 2);
  });

  it('are 2048 averages in float32 where the head alone trains', () => {
    assert.equal(featureBytes('resnet50', 17, 224, 'bf16'), 8192);
    assert.equal(featureBytes('resnet50', 17, 96, 'fp32'), 8192);
  });

  it('are those of the architecture', () => {
    assert.equal(featureBytes('resnet18', 2, 224, 'fp32'), 64 * 56 * 56 * 4);
    assert.equal(featureBytes('resnet18', 8, 224, 'bf16'), 512 * 7 * 7 * 2);
    assert.equal(featureBytes('resnet18', 9, 224, 'bf16'), 512 * 4);
    assert.equal(featureBytes('resnet101', 17, 224, 'fp32'), 1024 * 14 * 14 * 4);
  });

  it('round sides up at every halving', () => {
    // 75 → 38 → 19 → 10 → 5 → 3
    assert.equal(featureBytes('resnet50', 1, 75, 'fp32'), 64 * 19 * 19 * 4);
    assert.equal(featureBytes('resnet50', 9, 75, 'fp32'), 1024 * 5 * 5 * 4);
    assert.equal(featureBytes('resnet50', 15, 75, 'fp32'), 2048 * 3 * 3 * 4);
  });
});

describe('the plan of a cache', () => {
  const plan = (o: Partial<CacheSettings> = {}, there = room) =>
    planFeatureCache('resnet50', settings(o), images, there);
  const entryBytes = 512 * 28 * 28 * 2;

  it('counts one view without augmentation, two of a flip, and as many as epochs walk through of random crops', () => {
    assert.equal(plan({ augment: 'none' }).plan?.entries, 245 + 153);
    assert.equal(plan({ augment: 'flip' }).plan?.entries, 2 * 245 + 153);
    assert.equal(plan({ augment: 'flip', cacheViews: 1 }).plan?.entries, 245 + 153);
    assert.equal(plan({ augment: 'flip', cacheViews: 5 }).plan?.entries, 2 * 245 + 153);
    assert.equal(plan({ augment: 'standard', cacheViews: 4 }).plan?.entries, 4 * 245 + 153);
    assert.equal(plan({ augment: 'standard', cacheViews: 40 }).plan?.entries, 10 * 245 + 153);
    assert.equal(plan({ augment: { policy: 'flip', verticalFlip: 0.5 } }).plan?.entries, 4 * 245 + 153);
    const erased = { policy: 'none', randomErasing: 0.25 } as const;
    assert.equal(plan({ augment: erased, cacheViews: 4 }).plan?.entries, 4 * 245 + 153);
  });

  it('is in memory up to a quarter of it, on disk up to half of what is free, else off with the reason', () => {
    const bytes = (2 * 245 + 153) * entryBytes;
    const inMemory = plan({}, { memory: 4 * bytes, disk: 100 * GB });
    assert.deepEqual(inMemory.plan, {
      mode: 'memory',
      views: 2,
      entries: 643,
      entryBytes,
      bytes,
      memoryLimit: bytes,
    });
    assert.equal(
      inMemory.note,
      'The first epochs fill a cache of 516 MB in memory (398 images, 2 views of those to train on).',
    );
    const onDisk = plan({ augment: 'none' }, { memory: GB / 2, disk: 2 * GB });
    assert.equal(onDisk.plan?.mode, 'disk');
    assert.equal(onDisk.note, 'The first epoch fills a cache of 320 MB on disk (398 images, one view each).');
    const off = plan({}, { memory: GB, disk: GB });
    assert.equal(off.plan, null);
    assert.match(off.note, /No feature cache: 516 MB are more than a quarter of the memory .*1 GB.* half of the disk/);
    assert.match(
      planFeatureCache('resnet50', settings(), images, { memory: GB, disk: null }).note,
      /no directory to write to/,
    );
  });

  it('is none where nothing would be found again', () => {
    const off = (o: Partial<CacheSettings>, reason: RegExp): void => {
      const decision = plan(o);
      assert.equal(decision.plan, null);
      assert.match(decision.note, reason);
    };
    off({ frozenPrefixUnits: 0 }, /nothing is frozen.*--freeze-until/);
    off({ augment: 'standard' }, /views of its own.*--cache-views/);
    off({ augment: { policy: 'none', randomErasing: 0.25 } }, /the augmentation 'none, random erasing 0.25'/);
    off({ epochs: 1 }, /seen once/);
    off({ cache: 'off' }, /turned off/);
    off({ precision: 'fp64' }, /float64/);
    // Asked for, it serves later runs.
    assert.equal(plan({ epochs: 1, cache: 'disk' }).plan?.mode, 'disk');
  });

  it('keeps what fits where it is asked for, and says so', () => {
    const memory = plan({ cache: 'memory' }, { memory: 0.5 * GB, disk: 0 });
    assert.equal(memory.plan?.memoryLimit, 0.25 * GB);
    assert.match(memory.note, /516 MB in memory .*of which 250 MB are kept/);
    const disk = plan({ cache: 'disk' }, { memory: GB, disk: 0.3 * GB });
    assert.equal(disk.plan?.mode, 'disk');
    assert.match(disk.note, /300 MB are free/);
  });

  it('is refused where it is asked for and cannot be', () => {
    const refused = (o: Partial<CacheSettings>, message: RegExp) =>
      assert.throws(() => checkCacheSettings(settings(o)), { code: 'ERR_INVALID_ARGUMENT', message });
    for (const cache of ['memory', 'disk'] as const) {
      refused({ cache, frozenPrefixUnits: 0 }, /freeze more/);
      refused({ cache, augment: 'standard' }, /cacheViews, --cache-views/);
      refused({ cache, augment: { policy: 'flip', colorJitter: 0.1 } }, /cacheViews, --cache-views/);
      refused({ cache, precision: 'fp64' }, /float64/);
    }
    refused({ cacheViews: 3, frozenPrefixUnits: 0 }, /cacheViews has no use/);
    for (const cache of ['auto', 'off'] as const) checkCacheSettings(settings({ cache, augment: 'standard' }));
    checkCacheSettings(settings({ cache: 'disk', augment: 'standard', cacheViews: 1 }));
    checkCacheSettings(settings({ cache: 'off', augment: 'standard', cacheViews: 3 }));
  });
});

it('bytes are written in decimal units', () => {
  assert.deepEqual([0, 999, 1000, 1_549_000, 99_600_000, 999_600_000, 12e12].map(formatBytes), [
    '0 B',
    '999 B',
    '1 kB',
    '1.5 MB',
    '100 MB',
    '1 GB',
    '12 TB',
  ]);
});
