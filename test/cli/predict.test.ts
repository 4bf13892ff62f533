import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makePlace, type Place } from '../inference/support/place.js';
import { projectRoot } from '../support/paths.js';
import { resnetTorch } from './support/command.js';

const small = ['--image-size', '32', '--resize', '36', '--precision', 'fp32', '--workers', '1', '--threads', '1'];

interface Answer {
  readonly images: readonly {
    readonly file: string;
    readonly predictions?: readonly { readonly label: string; readonly probability: number }[];
    readonly error?: { readonly code: string; readonly message: string };
  }[];
  readonly notes: readonly { readonly code: string; readonly message: string }[];
  readonly error?: { readonly code: string; readonly message: string };
}

let place: Place;
/** Images in the middle of which is a broken one, and a file that is no image by its name. */
let folder: string;
let broken: string;

before(async () => {
  place = await makePlace();
  folder = join(place.folder, 'pictures');
  broken = join(folder, 'photo 0b.png');
  await writeFile(broken, 'no image');
  await writeFile(join(folder, 'picture.heic'), '');
});

after(() => place.remove());

const predict = (...args: readonly string[]) => resnetTorch(['predict', place.checkpoint, ...args, ...small]);

describe('predict on a folder with a file that cannot be read', () => {
  it('goes on behind it: --json has its error in its place, and the exit code is 1', async () => {
    const { code, stdout, stderr } = await predict(folder, '--json');
    assert.equal(code, 1);
    const { images, notes, error } = JSON.parse(stdout) as Answer;
    assert.deepEqual(
      images.map(({ file }) => file),
      [place.files[0], broken, place.files[1], place.files[2]],
    );
    assert.deepEqual(
      images.map(({ predictions }) => predictions?.length),
      [3, undefined, 3, 3],
    );
    assert.equal(images[1]?.error?.code, 'ERR_IMAGE_DECODE');
    assert.match(images[1]?.error?.message ?? '', /photo 0b\.png/);
    assert.equal(error, undefined);
    assert.deepEqual(
      notes.map((note) => note.code),
      ['files-not-read'],
    );
    assert.match(notes[0]?.message ?? '', /picture\.heic/);
    assert.match(stderr, /photo 0b\.png.*\n.*1 of 4 images could not be labelled.*--strict.*\(ERR_IMAGE_DECODE\)/s);
    assert.match(stderr, /picture\.heic/);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
    // A line an image: a reader need not hold all of it.
    assert.equal(stdout.trimEnd().split('\n').length, 6);
  });

  it('goes on behind it: --csv has its error in a column of its own', async () => {
    const { code, stdout } = await predict(folder, '--csv', '--top-k', '1');
    assert.equal(code, 1);
    const rows = stdout.trimEnd().split('\r\n');
    assert.equal(rows[0], 'file,rank,label,index,probability,error');
    assert.equal(rows.length, 5);
    assert.match(rows[1] ?? '', /photo 0\.png,1,[abc],[012],0\.\d+,$/);
    assert.match(rows[2] ?? '', /photo 0b\.png,,,,,"?Cannot read the image/);
    assert.match(rows[3] ?? '', /photo 1\.png,1,/);
  });

  it('goes on behind it in plain text, with the reason on standard error', async () => {
    const { code, stdout, stderr } = await predict(folder);
    assert.equal(code, 1);
    assert.equal(stdout.trimEnd().split('\n').length, 3);
    assert.doesNotMatch(stdout, /0b/);
    assert.match(stderr, /photo 0b\.png/);
  });

  it('stops at the first with --strict, and its JSON is whole', async () => {
    const { code, stdout, stderr } = await predict(folder, '--json', '--strict');
    assert.equal(code, 1);
    const { images, error } = JSON.parse(stdout) as Answer;
    assert.deepEqual(
      images.map(({ file }) => file),
      [place.files[0]],
    );
    assert.equal(error?.code, 'ERR_IMAGE_DECODE');
    assert.match(stderr, /photo 0b\.png.*\(ERR_IMAGE_DECODE\)/s);
  });

  it('leaves it out with --skip-corrupt, and says so in the notes', async () => {
    const { code, stdout } = await predict(folder, '--json', '--skip-corrupt');
    assert.equal(code, 0);
    const { images, notes } = JSON.parse(stdout) as Answer;
    assert.equal(images.length, 3);
    assert.deepEqual(
      notes.map((note) => note.code),
      ['files-not-read', 'broken-files-left-out'],
    );
    assert.match(notes[1]?.message ?? '', /photo 0b\.png/);
  });

  it('goes on behind what is not there, leads nowhere or holds nothing; --skip-corrupt does not hide it', async () => {
    const nowhere = join(place.folder, 'nowhere.png');
    const empty = join(place.folder, 'empty');
    const dangling = join(place.folder, 'dangling.png');
    await mkdir(empty);
    await symlink(nowhere, dangling);
    const { code, stdout } = await predict(nowhere, empty, dangling, place.files[2], '--json', '--skip-corrupt');
    assert.equal(code, 1);
    const { images } = JSON.parse(stdout) as Answer;
    assert.deepEqual(
      images.map(({ file, error }) => [file, error?.code]),
      [
        [nowhere, 'ERR_DATASET'],
        [empty, 'ERR_DATASET'],
        [dangling, 'ERR_DATASET'],
        [place.files[2], undefined],
      ],
    );
    const strict = await predict(place.files[2], nowhere, '--strict');
    assert.equal(strict.code, 1);
    assert.equal(strict.stdout, '');
    assert.match(strict.stderr, /nowhere\.png.*\(ERR_DATASET\)/);
  });
});

describe('predict', () => {
  it('prints nothing for wrong usage', async () => {
    const { code, stdout, stderr } = await predict(place.files[0], '--json', '--top-k', '4');
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /topK is 4, but the model knows 3 classes/);
    const both = await predict(place.files[0], '--strict', '--skip-corrupt');
    assert.equal(both.code, 2);
    assert.match(both.stderr, /exclude each other/);
  });

  it('says the same of an image alone and among others', async () => {
    const all = JSON.parse((await predict(...place.files, '--json')).stdout) as Answer;
    const shares = all.images.map(({ predictions }) => predictions?.map(({ probability }) => probability));
    assert.notDeepEqual(shares[0], shares[1]);
    for (const [i, file] of place.files.entries()) {
      const [one] = (JSON.parse((await predict(file, '--json')).stdout) as Answer).images;
      one?.predictions?.forEach(({ probability }, rank) => {
        assert.ok(Math.abs(probability - (shares[i]?.[rank] ?? Number.NaN)) < 1e-5);
      });
    }
  });

  it('ends quietly where its reader has seen enough', async () => {
    const bin = join(projectRoot, 'bin/resnet-torch.js');
    const child = spawn(
      process.execPath,
      [bin, 'predict', place.checkpoint, ...Array(200).fill(place.files[0]), '--csv', ...small],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
  });
});
