import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { pictureImage } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';
import { compileProgram, nativeFolder, nativeSources } from '../support/programs.js';

interface Figures {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
  readonly damaged: number;
  readonly stopped: string;
}

/** Of an entry, and from one to the next in a file; as feature-cache.cc has them. */
const ENTRY = 40_008;
const SLOT = 40_064;
const HEADER = 48;
const RECORD = 32;

describe('the feature cache', () => {
  let folder: string;
  let program: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    program = join(folder, 'feature-cache');
    const sources = [...nativeFolder('data'), ...nativeSources('core', ['cores_turn', 'pages', 'available_memory'])];
    compileProgram(program, 'data/feature-cache.cc', sources, ['-ljpeg', '-ldl', '-pthread']);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const run = async (...words: readonly (string | number)[]): Promise<Figures> => {
    const { stdout } = await promisify(execFile)(program, words.map(String));
    return JSON.parse(stdout);
  };
  /** The one file of a store with this ending. */
  const fileOf = (directory: string, ending: string): string => {
    const names = readdirSync(directory).filter((name) => name.endsWith(ending));
    assert.equal(names.length, 1);
    return join(directory, names[0] as string);
  };
  const flip = (path: string, offset: number): void => {
    const bytes = readFileSync(path);
    bytes[offset] = (bytes[offset] as number) ^ 4;
    writeFileSync(path, bytes);
  };

  it('keeps in memory what fits, and serves it on', async () => {
    assert.deepEqual((await run('memory', 100 * ENTRY, 50)).entries, 50);
    const full = await run('memory', 20 * ENTRY + 5, 50);
    assert.equal(full.entries, 20);
    assert.equal(full.bytes, 20 * ENTRY);
    assert.match(full.stopped, /memory limit/);
    assert.equal((await run('memory', 0, 5)).entries, 0);
  });

  it('finds again on disk what another process left', async (t) => {
    const directory = join(await temporaryDirectory(t), 'features', 'store');
    const filled = await run('fill', directory, 0, 60);
    assert.deepEqual([filled.entries, filled.misses, filled.stopped], [60, 0, '']);
    const found = await run('check', directory, 0, 80);
    assert.deepEqual([found.entries, found.hits, found.misses, found.damaged], [60, 120, 40, 0]);
    // Nothing new was written: no file either.
    assert.equal(readdirSync(directory).length, 2);
  });

  it('is shared by processes that write at the same time', async (t) => {
    const directory = await temporaryDirectory(t);
    await Promise.all([run('fill', directory, 0, 80), run('fill', directory, 40, 80), run('fill', directory, 20, 80)]);
    const found = await run('check', directory, 0, 120);
    assert.deepEqual([found.entries, found.hits, found.damaged], [120, 240, 0]);
  });

  it('drops payloads that changed, for good, and takes them again', async (t) => {
    const directory = await temporaryDirectory(t);
    await run('fill', directory, 0, 30);
    const data = fileOf(directory, '.data');
    flip(data, 3 * SLOT);
    flip(data, 7 * SLOT + ENTRY - 1);
    const found = await run('check', directory, 0, 30);
    assert.deepEqual([found.entries, found.hits, found.misses, found.damaged], [28, 56, 4, 2]);
    const again = await run('check', directory, 0, 30);
    assert.deepEqual([again.entries, again.damaged], [28, 0]);
    await run('fill', directory, 0, 30);
    const healed = await run('check', directory, 0, 30);
    assert.deepEqual([healed.entries, healed.hits, healed.damaged], [30, 60, 0]);
  });

  it('drops what was cut short', async (t) => {
    const directory = await temporaryDirectory(t);
    await run('fill', directory, 0, 30);
    truncateSync(fileOf(directory, '.data'), 10 * SLOT - 1);
    const found = await run('check', directory, 0, 30);
    assert.deepEqual([found.entries, found.damaged], [9, 21]);
    truncateSync(fileOf(directory, '.index'), HEADER + 4 * RECORD + 5);
    const less = await run('check', directory, 0, 30);
    assert.deepEqual([less.entries, less.damaged], [4, 0]);
    truncateSync(fileOf(directory, '.index'), 7);
    assert.equal((await run('check', directory, 0, 30)).entries, 0);
  });

  it('drops records that changed, and files of another store', async (t) => {
    const directory = await temporaryDirectory(t);
    await run('fill', directory, 0, 30);
    const index = fileOf(directory, '.index');
    flip(index, HEADER + 2 * RECORD);
    flip(index, HEADER + 5 * RECORD + 17);
    const found = await run('check', directory, 0, 30);
    assert.deepEqual([found.entries, found.damaged], [28, 2]);
    flip(index, 12);
    const none = await run('check', directory, 0, 30);
    assert.deepEqual([none.entries, none.damaged], [0, 1]);
  });

  it('goes on with what it has where the disk is full', async (t) => {
    const directory = await temporaryDirectory(t);
    // Blocks of 1024 bytes: room for 23 slots.
    const limited = await promisify(execFile)('bash', ['-c', 'ulimit -f 900; "$0" fill "$1" 0 60', program, directory]);
    const filled: Figures = JSON.parse(limited.stdout);
    assert.match(filled.stopped, /could not be written/);
    assert.ok(filled.entries >= 11);
    const found = await run('check', directory, 0, 60);
    assert.equal(found.entries, 23);
    assert.equal(found.damaged, 0);
  });

  it('says why a directory is of no use', async (t) => {
    const file = join(await temporaryDirectory(t), 'file');
    writeFileSync(file, '');
    const figures = await run('fill', join(file, 'store'), 0, 5);
    assert.equal(figures.entries, 0);
    assert.match(figures.stopped, /cannot be used/);
  });

  describe('under a loader', () => {
    let list: string;
    let paths: string[];
    before(async () => {
      paths = [];
      for (let i = 0; i < 12; i++) {
        const path = join(folder, `${i}.jpg`);
        await pictureImage(60 + i, 50)
          .jpeg()
          .toFile(path);
        paths.push(path);
      }
      const broken = join(folder, 'broken.jpg');
      writeFileSync(broken, 'no image');
      list = join(folder, 'files.txt');
      writeFileSync(list, [...paths.slice(0, 4), broken, ...paths.slice(4)].join('\n'));
    });

    it('has two views of a centred crop that is flipped', async (t) => {
      const directory = await temporaryDirectory(t);
      const first = await run('passes', directory, list, 0, 0, 'center');
      assert.deepEqual([first.hits, first.entries], [0, 12]);
      for (let epoch = 1; epoch < 12; epoch++) await run('passes', directory, list, epoch, 0, 'center');
      const last = await run('passes', directory, list, 12, 0, 'center');
      assert.deepEqual([last.hits, last.entries], [12, 24]);
    });

    it('tells views of one short side from those of another', async (t) => {
      const directory = await temporaryDirectory(t);
      assert.deepEqual((await run('passes', directory, list, 0, 1, 'center', 40)).entries, 12);
      const other = await run('passes', directory, list, 0, 1, 'center', 48);
      assert.deepEqual([other.hits, other.entries], [0, 24]);
      assert.equal((await run('passes', directory, list, 0, 1, 'center', 40)).hits, 12);
    });

    it('has as many views of a random crop as it is told, and no two alike without a limit', async (t) => {
      const directory = await temporaryDirectory(t);
      assert.equal((await run('passes', directory, list, 0, 2, 'random')).hits, 0);
      assert.equal((await run('passes', directory, list, 1, 2, 'random')).hits, 0);
      const third = await run('passes', directory, list, 2, 2, 'random');
      assert.deepEqual([third.hits, third.entries], [12, 24]);
      assert.equal((await run('passes', directory, list, 1, 0, 'random')).hits, 12);
      assert.equal((await run('passes', directory, list, 2, 0, 'random')).hits, 0);
    });

    it('has a view an epoch of a centred crop of which a box is erased, or as many as it is told', async (t) => {
      const directory = await temporaryDirectory(t);
      for (const epoch of [0, 1]) assert.equal((await run('passes', directory, list, epoch, 0, 'erased')).hits, 0);
      const other = await run('passes', directory, list, 0, 0, 'center');
      assert.deepEqual([other.hits, other.entries], [0, 36]);
      assert.equal((await run('passes', directory, list, 1, 0, 'erased')).hits, 12);
      assert.equal((await run('passes', directory, list, 4, 2, 'erased')).hits, 12);
    });

    it('reads a file again that was changed', async (t) => {
      const directory = await temporaryDirectory(t);
      await run('passes', directory, list, 0, 1, 'center');
      const [path = ''] = paths;
      await pictureImage(55, 70).jpeg().toFile(path);
      const changed = await run('passes', directory, list, 1, 1, 'center');
      assert.deepEqual([changed.hits, changed.misses], [11, 2]);
      const past = new Date(2001, 1, 1);
      utimesSync(path, past, past);
      assert.equal((await run('passes', directory, list, 1, 1, 'center')).hits, 11);
      assert.equal((await run('passes', directory, list, 1, 1, 'center')).hits, 12);
    });
  });
});
