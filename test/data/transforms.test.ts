import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import {
  type Augmentation,
  type AugmentationSpec,
  augmentationOf,
  describeAugmentation,
} from '../../src/data/transforms/augmentation.js';
import { centerCrop, defaultResize, distinctViews, viewSpec } from '../../src/data/transforms/spec.js';

test('the short side before the crop follows the weights', () => {
  assert.equal(defaultResize(224), 256);
  assert.equal(defaultResize(224, { resize: 232, crop: 224 }), 232);
  assert.equal(defaultResize(64, { resize: 64, crop: 64 }), 64);
  assert.equal(defaultResize(128), 146);
});

describe('an augmentation', () => {
  const transforms = (parts: Omit<AugmentationSpec, 'policy'>) =>
    viewSpec({ policy: 'none', ...parts }, 224, 256).transforms;
  const refuses = (value: unknown, message: RegExp) =>
    assert.throws(() => augmentationOf(value as Augmentation), { code: 'ERR_INVALID_ARGUMENT', message });

  it('is a crop and flips, by its policy', () => {
    const crop = {
      kind: 'center',
      size: 224,
      resize: 256,
      scale: [0.08, 1],
      ratio: [3 / 4, 4 / 3],
      flip: 0,
      verticalFlip: 0,
    };
    assert.deepEqual(viewSpec('none', 224, 256), { crop, transforms: [] });
    assert.deepEqual(viewSpec('flip', 224, 256), { crop: { ...crop, flip: 0.5 }, transforms: [] });
    assert.deepEqual(viewSpec('standard', 224, 256), {
      crop: { ...crop, kind: 'random', flip: 0.5 },
      transforms: [],
    });
    assert.deepEqual(centerCrop(224, 256), crop);
    assert.throws(() => viewSpec('standard', 31, 40), { code: 'ERR_INVALID_ARGUMENT' });
    assert.throws(() => viewSpec('standart' as 'standard', 64, 64), /standard/);
  });

  it('has random crops of other areas and shapes, and flips both ways', () => {
    const given = { policy: 'standard', cropScale: [0.5, 1], cropRatio: [1, 2], verticalFlip: 0.25 } as const;
    const { crop } = viewSpec(given, 64, 72);
    assert.deepEqual([crop.scale, crop.ratio, crop.flip, crop.verticalFlip], [[0.5, 1], [1, 2], 0.5, 0.25]);
  });

  it("has transforms in the order in which they are made, with torchvision's defaults", () => {
    assert.deepEqual(transforms({ randomErasing: 0.25, grayscale: 0.1, colorJitter: 0.4 }), [
      {
        name: 'colorJitter',
        brightness: [0.6, 1.4],
        contrast: [0.6, 1.4],
        saturation: [0.6, 1.4],
        hue: [0, 0],
      },
      { name: 'grayscale', probability: 0.1 },
      { name: 'randomErasing', probability: 0.25, scale: [0.02, 0.33], ratio: [0.3, 3.3] },
    ]);
    assert.deepEqual(transforms({ colorJitter: { brightness: 3, hue: 0.1, saturation: [0.5, 0.5] } }), [
      { name: 'colorJitter', brightness: [0, 4], contrast: [1, 1], saturation: [0.5, 0.5], hue: [-0.1, 0.1] },
    ]);
    assert.deepEqual(transforms({ randomErasing: { probability: 1, scale: [0.1, 0.2] } }), [
      { name: 'randomErasing', probability: 1, scale: [0.1, 0.2], ratio: [0.3, 3.3] },
    ]);
  });

  it('is its policy alone where the rest does nothing', () => {
    const nothing = {
      verticalFlip: 0,
      grayscale: 0,
      randomErasing: { probability: 0, scale: [0.1, 0.2] },
      colorJitter: { brightness: 0, contrast: [1, 1], hue: 0 },
    } as const;
    assert.equal(augmentationOf({ policy: 'flip', ...nothing }), 'flip');
    assert.equal(augmentationOf({ policy: 'none', colorJitter: 0, randomErasing: 0 }), 'none');
    const some = { policy: 'standard', randomErasing: 0.25, cropScale: [0.5, 1] } as const;
    assert.deepEqual(augmentationOf({ ...some, ...{ grayscale: 0 } }), some);
    assert.deepEqual(augmentationOf(augmentationOf(some)), some);
  });

  it('is told in words', () => {
    assert.equal(describeAugmentation('flip'), 'flip');
    assert.equal(
      describeAugmentation({
        policy: 'standard',
        cropScale: [0.5, 1],
        verticalFlip: 0.5,
        colorJitter: { brightness: 0.4, hue: [0, 0.1] },
        grayscale: 0.1,
        randomErasing: 0.25,
      }),
      'standard, crop scale 0.5 to 1, vertical flip 0.5, colour jitter (brightness 0.4, hue 0 to 0.1), grayscale 0.1, random erasing 0.25',
    );
  });

  it('is refused where it contradicts itself or is out of range', () => {
    refuses(
      { policy: 'flip', cropScale: [0.5, 1] },
      /cropScale \(--crop-scale\) is for random crops, and the augmentation flip takes/,
    );
    refuses({ policy: 'none', cropRatio: [1, 2] }, /cropRatio \(--crop-ratio\) is for random crops/);
    refuses({ policy: 'standard', cropScale: [0.5] }, /cropScale must be two numbers/);
    refuses({ policy: 'standard', cropScale: [1, 0.5] }, /cropScale must be in order, and 1 is above 0.5/);
    refuses({ policy: 'standard', cropScale: [0, 1] }, /cropScale/);
    refuses({ policy: 'standard', cropScale: [0.5, 1.5] }, /cropScale/);
    refuses({ policy: 'standard', cropRatio: [0, 1] }, /cropRatio/);
    refuses({ policy: 'none', verticalFlip: 1.5 }, /verticalFlip/);
    refuses({ policy: 'none', randomErasing: 2 }, /randomErasing/);
    refuses({ policy: 'none', randomErasing: { scale: [0.1, 0.2] } }, /randomErasing\.probability/);
    refuses({ policy: 'none', randomErasing: { probability: 1, area: 2 } }, /randomErasing has no option area/);
    refuses({ policy: 'none', colorJitter: { hue: 0.6 } }, /colorJitter\.hue/);
    refuses({ policy: 'none', colorJitter: { brightness: [-1, 1] } }, /colorJitter\.brightness/);
    refuses({ policy: 'none', colorJitter: 'much' }, /colorJitter/);
    refuses({ policy: 'none', grayscale: Number.NaN }, /grayscale/);
    refuses({ policy: 'none', randomErasin: 1 }, /randomErasin.*randomErasing/);
    refuses({ randomErasing: 1 }, /augment\.policy/);
    refuses(null, /augment/);
  });

  it('says how many views an image has', () => {
    assert.equal(distinctViews('none'), 1);
    assert.equal(distinctViews('flip'), 2);
    assert.equal(distinctViews({ policy: 'flip', verticalFlip: 0.5 }), 4);
    assert.equal(distinctViews({ policy: 'none', verticalFlip: 1 }), 1);
    assert.equal(distinctViews('standard'), null);
    for (const part of [{ colorJitter: 0.1 }, { grayscale: 0.1 }, { randomErasing: 0.1 }]) {
      assert.equal(distinctViews({ policy: 'none', ...part }), null);
    }
  });
});
