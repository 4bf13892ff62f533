import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/paths.js';
import { zipBytes } from '../support/zip.js';
import { type ArchiveEntry, writeArchive } from './support/archive.js';
import { importScript } from './support/script.js';

interface Bounds {
  readonly directoryBytes: number;
  readonly members: number;
  readonly unpackedBytes: number;
}

interface Directory {
  readonly bounds: Bounds;
  listZip(archive: string, limits?: Bounds): Promise<readonly { readonly name: string; readonly size: number }[]>;
}

interface Unzip {
  unzip(
    archive: string,
    folder: string,
    place: (name: string) => string | null,
    onBytes?: (bytes: number) => void,
  ): Promise<number>;
}

const { bounds, listZip } = await importScript<Directory>('setup/zip-directory.mjs');
const { unzip } = await importScript<Unzip>('setup/unzip.mjs');
const LINK = 0o120777;
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

  it('keeps links to neighbours, and the right to be run', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeArchive(archive, [
      { name: 'lib/libx.so', content: Buffer.from('libx.so.1'), mode: LINK },
      { name: 'lib/libx.so.1', content: Buffer.from(text), mode: 0o100755 },
    ]);
    assert.equal(await unzip(archive, join(folder, 'out'), everything), 2);
    assert.equal(await readlink(join(folder, 'out/lib/libx.so')), 'libx.so.1');
    assert.equal(await readFile(join(folder, 'out/lib/libx.so'), 'utf8'), text);
  });

  const content = Buffer.from(text);
  const escapes: readonly (readonly [string, readonly ArchiveEntry[], RegExp])[] = [
    ['a path above', [{ name: '../escaped', content }], /leaves its folder/],
    ['a path above, behind a folder', [{ name: 'a/../../escaped', content }], /leaves its folder/],
    ['a path that goes up and stays inside', [{ name: 'a/../escaped', content }], /no plain path/],
    ['an absolute path', [{ name: '/tmp/escaped', content }], /leaves its folder/],
    ['a path of Windows', [{ name: '..\\escaped', content }], /leaves its folder/],
    ['a drive', [{ name: 'C:escaped', content }], /leaves its folder/],
    ['a path with a NUL', [{ name: 'a\0b', content }], /no plain path/],
    [
      'a link to the folder above, then a file through it',
      [
        { name: 'a', content: Buffer.from('..'), mode: LINK },
        { name: 'a/escaped', content },
      ],
      /a is a link that leaves its folder/,
    ],
    ['a link to its own folder', [{ name: 'a', content: Buffer.from('.'), mode: LINK }], /link that leaves/],
    ['an absolute link', [{ name: 'a', content: Buffer.from('/etc/passwd'), mode: LINK }], /link that leaves/],
    ['a link into another folder', [{ name: 'a', content: Buffer.from('b/c'), mode: LINK }], /link that leaves/],
    [
      'a link with an endless target',
      [{ name: 'a', content: Buffer.alloc(5000, 'x'), mode: LINK }],
      /link that leaves/,
    ],
    [
      'a file through a link to a neighbour',
      [
        { name: 'b/inside', content },
        { name: 'a', content: Buffer.from('b'), mode: LINK },
        { name: 'a/escaped', content },
      ],
      /a path through a, which is no folder/,
    ],
    [
      'a file through a file',
      [
        { name: 'a', content },
        { name: 'a/escaped', content },
      ],
      /a path through a, which is no folder/,
    ],
    [
      'a file in the place of a link',
      [
        { name: 'a', content: Buffer.from('b'), mode: LINK },
        { name: 'a', content },
      ],
      /holds a twice/,
    ],
    [
      'a member twice',
      [
        { name: 'a', content },
        { name: 'a', content },
      ],
      /holds a twice/,
    ],
    ['a device', [{ name: 'a', content, mode: 0o020666 }], /neither a file nor a link/],
    ['a named pipe', [{ name: 'a', content, mode: 0o010666 }], /neither a file nor a link/],
    ['another name in the member than in the directory', [{ name: 'a', content, declared: { name: 'b' } }], /damaged/],
    ['more bytes than the directory says', [{ name: 'a', content, declared: { size: 3 } }], /damaged: a/],
    [
      'members that share bytes',
      [
        { name: 'a', content: randomBytes(5000) },
        { name: 'b', content, declared: { offset: 0, size: 5000, compressed: 5000 } },
      ],
      /the sum of its sizes/,
    ],
  ];
  for (const [what, entries, message] of escapes) {
    it(`refuses ${what}`, async (t) => {
      const folder = await temporaryDirectory(t);
      const archive = join(folder, 'a.zip');
      await writeArchive(archive, entries);
      await assert.rejects(unzip(archive, join(folder, 'out'), everything), message);
      assert.deepEqual(
        (await readdir(folder)).sort(),
        ['a.zip', 'out'].slice(0, existsSync(join(folder, 'out')) ? 2 : 1),
      );
    });
  }

  it('stops where a member unpacks to more than it declares', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeArchive(archive, [{ name: 'a', content: Buffer.alloc(50e6), declared: { size: 3 } }]);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /damaged: a/);
    assert.ok((await stat(join(folder, 'out/a'))).size < 1e6, 'the rest is not written');
  });

  it('refuses a directory that does not fit its archive', async (t) => {
    const archive = join(await temporaryDirectory(t), 'a.zip');
    await writeArchive(archive, [{ name: 'a', content, declared: { offset: 0x7fffffff } }]);
    await assert.rejects(listZip(archive), /damaged: a is not/);
    await writeArchive(archive, [{ name: 'a', content }]);
    const bytes = await readFile(archive);
    bytes.writeUInt16LE(5, bytes.length - 12);
    await writeFile(archive, bytes);
    await assert.rejects(listZip(archive), /damaged: the number of members/);
  });

  it('refuses an encrypted member', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await writeArchive(archive, [{ name: 'a', content }]);
    const bytes = await readFile(archive);
    bytes.writeUInt16LE(1, bytes.indexOf('PK\x01\x02') + 8);
    await writeFile(archive, bytes);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /a is encrypted/);
  });

  it('refuses to go through a link that was there before', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    await mkdir(join(folder, 'out'));
    await mkdir(join(folder, 'elsewhere'));
    await symlink(join(folder, 'elsewhere'), join(folder, 'out/a'));
    await symlink(join(folder, 'elsewhere/file'), join(folder, 'out/b'));
    await writeArchive(archive, [{ name: 'a/escaped', content }]);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /through a, which is no folder/);
    await writeArchive(archive, [{ name: 'b', content }]);
    await assert.rejects(unzip(archive, join(folder, 'out'), everything), /where there is a folder or a link/);
    assert.deepEqual(await readdir(join(folder, 'elsewhere')), []);
  });

  it('puts a file in the place of one that another archive brought', async (t) => {
    const folder = await temporaryDirectory(t);
    const archive = join(folder, 'a.zip');
    for (const bytes of ['one', 'another']) {
      await writeArchive(archive, [{ name: 'a', content: Buffer.from(bytes) }]);
      await unzip(archive, join(folder, 'out'), everything);
      assert.equal(await readFile(join(folder, 'out/a'), 'utf8'), bytes);
    }
  });

  it('refuses what declares more than any libtorch has', async (t) => {
    const archive = join(await temporaryDirectory(t), 'a.zip');
    await writeArchive(archive, [
      { name: 'a', content, declared: { size: 0xfffffffe } },
      { name: 'b', content },
    ]);
    await assert.rejects(listZip(archive, { ...bounds, unpackedBytes: 4e9 }), /declares 4294967\d* bytes unpacked/);
    await assert.rejects(listZip(archive, { ...bounds, members: 1 }), /declares 2 members/);
    await assert.rejects(listZip(archive, { ...bounds, directoryBytes: 50 }), /declares a directory of \d+ bytes/);
    const bytes = await readFile(archive);
    // The end record's length of the directory: it is refused before memory is taken for it.
    bytes.writeUInt32LE(0xfffffffe, bytes.length - 10);
    await writeFile(archive, bytes);
    await assert.rejects(listZip(archive), /declares a directory of 4294967294 bytes/);
    bytes.writeUInt32LE(5000, bytes.length - 10);
    await writeFile(archive, bytes);
    await assert.rejects(listZip(archive), /damaged: where its directory lies/);
  });
});
