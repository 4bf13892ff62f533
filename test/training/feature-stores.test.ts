import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { clearFeatureStores, describeStore, listFeatureStores } from '../../src/training/feature-stores.js';
import { jsonLines, resnetTorch } from '../cli/support/command.js';
import { temporaryDirectory } from '../support/paths.js';

const OLD = 'a'.repeat(32);
const NEW = 'b'.repeat(32);

const description = {
  unit: 'layer2.3',
  imageSize: 224,
  precision: 'bf16',
  entryBytes: 802_816,
  created: '2026-01-31T10:00:00.000Z',
};

/** Two stores, one of them not used for long; a directory that is not ours; and a file of somebody's in the new one. */
async function stores(t: TestContext): Promise<{ readonly cache: string; readonly directory: string }> {
  const cache = await temporaryDirectory(t);
  const directory = join(cache, 'features');
  for (const key of [OLD, NEW]) {
    await describeStore(join(directory, key), description);
    await writeFile(join(directory, key, '0123456789abcdef.data'), Buffer.alloc(3 * 1000));
    await writeFile(join(directory, key, '0123456789abcdef.index'), Buffer.alloc(48 + 3 * 32));
  }
  await writeFile(join(directory, NEW, 'notes.txt'), 'mine');
  await mkdir(join(directory, 'photos'));
  await writeFile(join(directory, 'photos', '0123456789abcdef.data'), 'mine');
  await mkdir(join(directory, 'c'.repeat(32)));
  await writeFile(join(directory, 'c'.repeat(32), 'x.data'), 'mine');
  const long = new Date(Date.now() - 40 * 86_400_000);
  for (const name of await readdir(join(directory, OLD))) await utimes(join(directory, OLD, name), long, long);
  return { cache, directory };
}

describe('the feature caches on disk', () => {
  it('are listed by when they were used, with what is in them', async (t) => {
    const { directory } = await stores(t);
    const listed = await listFeatureStores(directory);
    assert.deepEqual(
      listed.map(({ key }) => key),
      [NEW, OLD],
    );
    const [store] = listed;
    assert.equal(store?.entries, 3);
    assert.ok(store?.bytes && store.bytes > 3000 && store.bytes < 4000);
    assert.deepEqual({ ...description, ...store }, store);
    assert.deepEqual(await listFeatureStores(join(directory, 'nowhere')), []);
  });

  it('count as used when a run opens them', async (t) => {
    const { directory } = await stores(t);
    await describeStore(join(directory, OLD), description);
    const [first] = await listFeatureStores(directory);
    assert.equal(first?.key, OLD);
    assert.equal(first?.created, description.created);
  });

  it('are cleared without touching what is not theirs', async (t) => {
    const { directory } = await stores(t);
    const month = new Date(Date.now() - 30 * 86_400_000);
    const old = await clearFeatureStores({ directory, olderThan: month });
    assert.deepEqual(
      old.map(({ key }) => key),
      [OLD],
    );
    assert.deepEqual(
      (await clearFeatureStores({ directory })).map(({ key }) => key),
      [NEW],
    );
    assert.deepEqual((await readdir(directory)).sort(), [NEW, 'c'.repeat(32), 'photos'].sort());
    assert.deepEqual(await readdir(join(directory, NEW)), ['notes.txt']);
    assert.deepEqual(await clearFeatureStores({ directory }), []);
  });

  it('are shown and removed by the command line', async (t) => {
    const { cache, directory } = await stores(t);
    const env = { RESNET_TORCH_CACHE: cache };
    const shown = await resnetTorch(['cache', 'list'], { env });
    assert.equal(shown.code, 0);
    assert.match(shown.stdout, /bbbb.*up to layer2\.3 +224 px +bf16 +3 +3\.\d kB/);
    const [json] = jsonLines((await resnetTorch(['cache', 'list', '--json'], { env })).stdout);
    assert.equal(json?.directory, directory);
    const older = await resnetTorch(['cache', 'clear', '--older-than', '30'], { env });
    assert.match(older.stdout, /^Removed 1 cache, 3\.\d kB\.$/m);
    const [rest] = jsonLines((await resnetTorch(['cache', 'clear', '--json'], { env })).stdout);
    assert.equal((rest?.removed as unknown[] | undefined)?.length, 1);
    assert.match((await resnetTorch(['cache', 'list'], { env })).stdout, /There are no caches in/);
    for (const words of [['cache'], ['cache', 'lst'], ['cache', 'clear', '--older-than', '-1']]) {
      const wrong = await resnetTorch(words, { env });
      assert.equal(wrong.code, 2, words.join(' '));
      assert.match(wrong.stderr, /list|--older-than takes/);
    }
  });
});
