import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { importScript } from './support/script.js';

interface Draw {
  readonly shapes: readonly string[];
  drawShape(shape: string, random: unknown): Promise<Buffer>;
}

interface Seeded {
  seededRandom(seed: number): unknown;
}

const { drawShape, shapes } = await importScript<Draw>('demo/draw.mjs');
const { seededRandom } = await importScript<Seeded>('demo/random.mjs');

describe("the demo's pictures", () => {
  it('are JPEGs of at least four kinds', async () => {
    assert.ok(shapes.length >= 4);
    for (const shape of shapes) {
      const { format, width, height, channels } = await sharp(await drawShape(shape, seededRandom(1))).metadata();
      assert.deepEqual({ format, width, height, channels }, { format: 'jpeg', width: 96, height: 96, channels: 3 });
    }
  });

  it('follow from the seed, and differ within a kind', async () => {
    const [shape = ''] = shapes;
    const random = seededRandom(7);
    const first = await drawShape(shape, random);
    assert.ok(first.equals(await drawShape(shape, seededRandom(7))));
    assert.ok(!first.equals(await drawShape(shape, random)));
  });
});
