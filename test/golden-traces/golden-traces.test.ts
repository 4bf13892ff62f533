import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '../support/paths.js';
import { cases } from './cases.js';
import { differences } from './compare.js';
import { makePlace, type Place } from './place.js';
import type { Json } from './trace.js';

describe('golden traces', () => {
  let place: Place;
  const cacheBefore = process.env.RESNET_TORCH_CACHE;
  before(async () => {
    place = await makePlace(await mkdtemp(join(tmpdir(), 'resnet-torch-')));
  });
  after(async () => {
    if (cacheBefore === undefined) delete process.env.RESNET_TORCH_CACHE;
    else process.env.RESNET_TORCH_CACHE = cacheBefore;
    await rm(place.root, { recursive: true, force: true });
  });

  for (const { name, tolerance, trace } of cases) {
    // What is compared on one machine alone: `npm run golden`.
    if (tolerance === null) continue;
    it(name, async () => {
      const path = join(projectRoot, 'test', 'golden-traces', 'expected', `${name}.json`);
      const expected = JSON.parse(readFileSync(path, 'utf8')) as Json;
      const traced = await trace(place, { bits: false });
      assert.deepEqual(differences(traced, expected, tolerance), []);
    });
  }
});
