import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { zipBytes } from '../support/zip.js';
import { writeArchive } from './support/archive.js';
import { importScript } from './support/script.js';

interface Unzip {
  listZip(archive: string): Promise<readonly { readonly name: string; readonly size: number }[]>;
  unzip(
    archive: string,
    folder: string,
    place: (name: string) => string | null,
    onBytes?: (bytes: number) => void,
  ): Promise<number>;
}

const { listZip, unzip } = await importScript<Unzip>('setup/unzip.mjs');
const everything = (name: string): string => name;
const text = 'some text, and some text, and some text, and some text';

describe('the zip reader of the set-up', () => {
  it('extracts what it is asked for, stored and deflated', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeFile(join(folder, 'stored'), 'as it is');
    await writeArchive(archive, [
      { name: 'top/deep/text', content: Buffer.from(text) },
      { name: 'top/stored', content: { file: join(folder, 'stored') } },
      { name: 'top/empty', content: Buffer.alloc(0) },
      { name: 'other', content: Buffer.from('not wanted') },
    ]);
    let bytes = 0;
    const wanted = (name: string): string | null => (name.startsWith('top/') ? name.slice(4) : null);
    const count = await unzip(archive, join(folder, 'out'), wanted, (more) => {
      bytes += more;
    });
    assert.equal(count, 3);
    assert.ok(bytes > 0);
    assert.equal(await readFile(join(folder, 'out/deep/text'), 'utf8'), text);
    assert.equal(await readFile(join(folder, 'out/stored'), 'utf8'), 'as it is');
    assert.equal(await readFile(join(folder, 'out/empty'), 'utf8'), '');
    assert.ok(!existsSync(join(folder, 'out/other')));
  });

  it('reads zip64 directories', async (t) => {
    const archive = join(await temporaryDirectory(t), 'a.zip');
    await writeFile(archive, zipBytes([{ name: 'one', bytes: Buffer.from(text) }], { zip64: true }));
    assert.deepEqual(
      (await listZip(archive)).map(({ name, size }) => ({ name, size })),
      [{ name: 'one', size: text.length }],
    );
  });

  it('refuses a member whose bytes are not those of its hash', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeFile(join(folder, 'stored'), text);
    await writeArchive(archive, [{ name: 'text', content: { file: join(folder, 'stored') } }]);
    const bytes = await readFile(archive);
    bytes[bytes.indexOf(text)] = 'S'.charCodeAt(0);
    await writeFile(archive, bytes);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /damaged: text/);
  });

  it('refuses an archive that was cut short, and what is none', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeArchive(archive, [{ name: 'text', content: Buffer.from(text) }]);
    await truncate(archive, 60);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /not a zip archive, or was cut short/);
    await writeFile(archive, '<html>No such file</html>');
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /not a zip archive/);
  });

  it('refuses a path that leaves the folder', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeArchive(archive, [{ name: '../escaped', content: Buffer.from(text) }]);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /leaves its folder/);
    assert.ok(!existsSync(join(folder, 'escaped')));
  });
});
