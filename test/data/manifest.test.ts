import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Dataset, type DatasetOptions, openDataset } from '../../src/data/dataset.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { writeColour, writeFolders } from './fixtures.js';

/** A list of text beside images of two classes, `a/0.jpg` to `b/3.jpg`. */
async function list(t: TestContext, text: string | Buffer, name = 'labels.csv'): Promise<string> {
  const root = await writeFolders(await temporaryDirectory(t), { a: 4, b: 4 });
  const path = join(root, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

const open = (path: string, options: DatasetOptions = {}) => openDataset(path, { valSplit: 0, ...options });

/** Names of the images of a split, with their classes. */
function found(data: Dataset, root: string, split: 'train' | 'val' | 'all' = 'all'): readonly string[] {
  return data.split(split).files.map(({ path, label }) => `${path.slice(root.length + 1)} ${data.classes[label]}`);
}

test('a list names images and their classes, in any order of rows and columns', async (t) => {
  const path = await list(t, 'label,path\nwasp,b/1.jpg\nant,a/1.jpg\nwasp,b/0.jpg\nant,a/0.jpg\n');
  using data = await open(path);
  assert.deepEqual(data.classes, ['ant', 'wasp']);
  assert.deepEqual(found(data, dirname(path)), ['a/0.jpg ant', 'a/1.jpg ant', 'b/0.jpg wasp', 'b/1.jpg wasp']);
  assert.deepEqual([data.path, data.hasParts, data.notes], [path, false, []]);
  using relative = await open(await list(t, 'path,label\n../a/0.jpg,a\n../b/0.jpg,b\n', 'lists/all.CSV'));
  assert.deepEqual(relative.splits.train.counts, [1, 1]);
});

test('fields are quoted as RFC 4180 has it, lines end in CRLF or LF, and a byte order mark does not count', async (t) => {
  const root = await temporaryDirectory(t);
  const names = ['one, two.png', 'say "hi".png', 'two\nlines.png', 'plain.png', 'grün.png'];
  for (const name of names) await writeColour(join(root, name), '#123456');
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  for (const end of ['\n', '\r\n', '\r']) {
    for (const mark of ['', '\ufeff']) {
      const rows = [
        '"path",label,"split"',
        ...names.map((name, i) => `${quoted(name)},"${i % 2 === 0 ? 'b, c' : 'a ""x""'}",train`),
        '',
      ];
      const path = join(root, 'labels.csv');
      // The last line needs no end, and empty lines are none.
      await writeFile(path, `${mark}${rows.join(end)}${end}plain2.png,"b, c",train`);
      await writeColour(join(root, 'plain2.png'), '#123456');
      using data = await open(path);
      assert.deepEqual(data.classes, ['a "x"', 'b, c']);
      assert.deepEqual(data.splits.train.counts, [2, 4]);
      assert.ok(data.splits.train.files.some(({ path: file }) => file.endsWith('two\nlines.png')));
    }
  }
});

test('a list that is read in many parts is read as one', async (t) => {
  const root = await temporaryDirectory(t);
  // Longer than a part, with quotes at every place of it.
  const rows = Array.from(
    { length: 4000 },
    (_, i) => `${'"x""y"'.padStart(6 + (i % 3), ' ').trim()},"${i}, é""${'z'.repeat(i % 40)}"`,
  );
  await writeFile(join(root, 'all.csv'), `path,label\r\n${rows.join('\r\n')}\r\n`);
  const { readCsv } = await import('../../src/data/sources/manifest/csv-records.js');
  let at = 0;
  for await (const { line, fields } of readCsv(join(root, 'all.csv'))) {
    if (at > 0) assert.deepEqual([line, fields], [at + 1, ['x"y', `${at - 1}, é"${'z'.repeat((at - 1) % 40)}`]]);
    at++;
  }
  assert.equal(at, 4001);
});

test('the column split says which part a row is of, by the names that folders have', async (t) => {
  const path = await list(
    t,
    'path,label,split\na/0.jpg,a,train\na/1.jpg,a,Validation\nb/0.jpg,b,training\nb/1.jpg,b,val\nb/2.jpg,b,test\n',
  );
  using data = await open(path);
  const root = dirname(path);
  assert.deepEqual(found(data, root, 'train'), ['a/0.jpg a', 'b/0.jpg b']);
  assert.deepEqual(found(data, root, 'val'), ['a/1.jpg a', 'b/1.jpg b']);
  assert.equal(data.hasParts, true);
  const codes = async (text: string, options: DatasetOptions = {}) => {
    using other = await open(await list(t, text), options);
    return [other.notes.map(({ code }) => code), other.split('val').files.length] as const;
  };
  assert.deepEqual(
    data.notes.map(({ code }) => code),
    ['test-part-not-read'],
  );
  const noVal = 'path,label,split\na/0.jpg,a,train\nb/0.jpg,b,train\nb/1.jpg,b,test\na/1.jpg,a,test\n';
  assert.deepEqual(await codes(noVal), [['test-part-is-validation'], 2]);
  const all = 'path,label,split\na/0.jpg,a,train\na/1.jpg,a,train\nb/0.jpg,b,train\nb/1.jpg,b,train\n';
  assert.deepEqual(await codes(all, { valSplit: 0.5 }), [[], 2]);
  assert.deepEqual(await codes('path,label,split\na/0.jpg,a,test\n', { purpose: 'evaluate' }), [[], 1]);
  assert.deepEqual(await codes('id,path,label,size\n1,a/0.jpg,a,9\n2,b/0.jpg,b,9\n'), [['columns-not-read'], 0]);
});

/** What is wrong, and what is said of it. */
const wrong: readonly (readonly [text: string | Buffer, message: RegExp, options?: DatasetOptions])[] = [
  ['', /labels\.csv is empty.*path,label/],
  ['path,label\n', /names no images/],
  [
    'a/0.jpg,a\nb/0.jpg,b\n',
    /Line 1 of .*labels\.csv must name the columns path and label.*lacks path, label.*a\/0\.jpg, a/,
  ],
  ['file,class\na/0.jpg,a\n', /lacks path, label and has file, class/],
  ['path;label\na/0.jpg;a\n', /separated by commas/],
  ['path,label,path\na/0.jpg,a,x\n', /Line 1 .*the column path twice/],
  ['path,label\na/0.jpg,a\nb/0.jpg\n', /Line 3 of .* has 1 field, and there are 2 columns/],
  ['path,label\na/0.jpg,a,b\n', /Line 2 of .* has 3 fields.*in quotes/],
  ['path,label\n,a\n', /Line 2 of .* names no file/],
  ['path,label\na/0.jpg,\n', /Line 2 of .* has no label for a\/0\.jpg/],
  ['path,label\n"a/0.jpg,a\nb/0.jpg,b\n', /Line 2 of .* opens a quote that is not closed/],
  ['path,label\na/0".jpg,a\n', /Line 2 of .* a quote in a field that does not begin with one/],
  ['path,label\n"a/0.jpg"x,a\n', /Line 2 of .* text behind a closing quote/],
  ['path,label\n"a/\n0.jpg",a\n"a/0.jpg"x,a\n', /Line 4 of .* text behind a closing quote/],
  [Buffer.from('path,label\na/0.jpg,a\n', 'utf16le'), /zero byte/],
  [Buffer.from('\ufeffpath,label\na/0.jpg,a\n', 'utf16le'), /UTF-16/],
  [`path,label\n${'x'.repeat(1.5 * 1024 * 1024)}`, /Line 2 of .* more than 1 MiB/],
  [
    'path,label\na/0.jpg,a\nb/9.jpg,b\nb/8.jpg,b\n',
    /Line 3 of .* not there: .*9\.jpg\. 1 more .* lines? 4\..*relative to the folder/,
  ],
  ['path,label\na/0.jpg,a\nb,b\n', /Line 3 of .* is a folder/],
  [
    'path,label\na/0.jpg,a\nb/0.jpg,b\na/../a/0.jpg,a\n',
    /Line 4 of .* names a\/\.\.\/a\/0\.jpg, which line 2 has already\./,
  ],
  ['path,label\na/0.jpg,a\nb/0.jpg,b\na/0.jpg,b\n', /Line 4 .* line 2 has already, as a and not as b/],
  ['path,label,split\na/0.jpg,a,train\na/0.jpg,a,val\n', /Line 3 .* for train and not for val/],
  ['path,label,split\na/0.jpg,a,holdout\n', /Line 2 of .* the split "holdout", which is none of train, training, val/],
  ['path,label,split\na/0.jpg,a,train\nb/0.jpg,b,\n', /Line 3 of .* the split ""/],
  ['path,label,split\na/0.jpg,a,train\nb/0.jpg,b,train\nb/1.jpg,c,val\n', /Line 4 of .* the label c.*none for train/],
  ['path,label\na/0.jpg,a\nb/0.jpg, a\n', /Line 3 of .* " a" and line 2 "a".*spaces/],
  ['path,label\na/0.jpg,a\n', /one class only, a/],
  ['path,label,split\na/0.jpg,a,val\nb/0.jpg,b,val\n', /nothing to train on/],
  ['path,label\na/0.jpg,a\na/1.jpg,a\nb/0.jpg,b\n', /one image only of b/, { valSplit: 0.2 }],
];
for (const [text, message, options] of wrong) {
  test(`refused: ${message.source}`, async (t) => {
    await assert.rejects(open(await list(t, text), options), fails('ERR_DATASET', message));
  });
}

test('a list that is not there, and a file that is no list, are said to be that', async (t) => {
  const path = await list(t, 'path,label\n', 'labels.txt');
  await assert.rejects(open(join(dirname(path), 'none.csv')), fails('ERR_DATASET', /no file .*none\.csv/));
  await assert.rejects(open(path), fails('ERR_DATASET', /is a file, not a folder.*list of images \(\.csv, \.jsonl\)/));
});

test('a broken image of a list is one, whatever its name, and its signal ends the reading', async (t) => {
  const path = await list(t, 'path,label\na/0.jpg,a\na/1.jpg,a\nb/0.jpg,b\n');
  await writeFile(join(dirname(path), 'a', '1.jpg'), 'no image');
  await assert.rejects(open(path), fails('ERR_IMAGE_DECODE', /1\.jpg/));
  using data = await open(path, { skipCorrupt: true });
  assert.deepEqual(
    data.notes.map(({ message }) => message),
    [`Left out as broken: 1 file (${join('a', '1.jpg')})`],
  );
  await assert.rejects(open(path, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('what is held back of a list is what is held back of the folders that it lists', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'photos/a': 9, 'photos/b': 6, 'photos/a/more': 4 });
  using folders = await openDataset(join(root, 'photos'), { seed: 3, valSplit: 0.3 });
  const rows = folders.split('all').files.map(({ path, label }) => `${path},${folders.classes[label]}`);
  await writeFile(join(root, 'labels.csv'), ['path,label', ...rows.reverse()].join('\n'));
  using listed = await openDataset(join(root, 'labels.csv'), { seed: 3, valSplit: 0.3 });
  assert.deepEqual(listed.splits, folders.splits);
});

test('batches of a list are those of folders, bit for bit', async (t) => {
  const root = await writeFolders(await temporaryDirectory(t), { 'train/a': 5, 'train/b': 3, 'val/a': 2, 'val/b': 1 });
  using folders = await openDataset(root);
  const rows = (['val', 'train'] as const).flatMap((split) =>
    folders
      .split(split)
      .files.map(({ path, label }) => `${split},${folders.classes[label]},${path.slice(root.length + 1)}`),
  );
  await writeFile(join(root, 'labels.csv'), ['split,label,path', ...rows].join('\r\n'));
  using listed = await openDataset(join(root, 'labels.csv'));
  assert.deepEqual(listed.splits, folders.splits);
  const batches = async (data: Dataset) => {
    const all = [];
    for await (const batch of data.batches({ imageSize: 32, batchSize: 3, augment: 'standard', seed: 2, epoch: 1 })) {
      all.push(batch);
    }
    return all;
  };
  assert.deepEqual(await batches(listed), await batches(folders));
});

test('lines of JSON are a list as well', async (t) => {
  const text = (['a', 'b'] as const).flatMap((label) =>
    [0, 1].map((i) => JSON.stringify({ path: `${label}/${i}.jpg`, label, split: i === 0 ? 'train' : 'val' })),
  );
  for (const end of ['\n', '\r\n']) {
    const path = await list(t, `\ufeff${text.join(end)}${end}${end}`, 'labels.jsonl');
    using data = await open(path);
    assert.deepEqual(found(data, dirname(path), 'train'), ['a/0.jpg a', 'b/0.jpg b']);
    assert.deepEqual(found(data, dirname(path), 'val'), ['a/1.jpg a', 'b/1.jpg b']);
  }
  for (const [bad, message] of [
    ['{"path": "a/0.jpg", "label": "a"}\nnone\n', /Line 2 of .*labels\.jsonl is no JSON/],
    ['{"path": "a/0.jpg", "label": 0}\n', /Line 1 of .* as strings/],
    ['["a/0.jpg", "a"]\n', /Line 1 of .* must be an object/],
    ['{"path": "a/0.jpg", "label": "a", "splt": "val"}\n', /Line 1 of .* must be an object with path, label/],
    [
      '{"path": "a/0.jpg", "label": "a"}\n\n{"path": "b/0.jpg", "label": "b", "split": "val"}',
      /Line 3 of .* has a split, and line 1 has none/,
    ],
    ['{"path": "a/9.jpg", "label": "a"}\n', /Line 1 of .* not there/],
    ['', /names no images/],
    [`{"path": "${'x'.repeat(2 << 20)}`, /Line 1 of .* longer than 1 MiB/],
  ] as const) {
    await assert.rejects(open(await list(t, bad, 'labels.jsonl')), fails('ERR_DATASET', message));
  }
});
