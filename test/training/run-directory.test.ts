import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RunDirectory } from '../../src/training/run-directory.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyModel, tinyOptions } from './support/tiny.js';

describe('the run directory', () => {
  it('refuses what is there, and replaces its own files alone', async (t) => {
    const path = await temporaryDirectory(t);
    const directory = new RunDirectory(path);
    await directory.check(false);
    await new RunDirectory(join(path, 'not', 'there')).check(false);
    await writeFile(join(path, 'notes.txt'), 'mine');
    const refused = { code: 'ERR_OUTPUT_EXISTS', message: /not empty.*--overwrite/ };
    await assert.rejects(directory.check(false), refused);
    await assert.rejects(new RunDirectory(join(path, 'notes.txt')).check(true), { code: 'ERR_OUTPUT_EXISTS' });

    await mkdir(join(path, 'checkpoints'));
    for (const name of ['best.safetensors', 'events.jsonl', 'checkpoints/last.state', 'checkpoints/mine.txt']) {
      await writeFile(join(path, name), 'old');
    }
    await directory.check(true);
    await directory.create({ answer: 42 });
    await directory.close();
    assert.deepEqual((await readdir(path)).sort(), ['checkpoints', 'config.json', 'events.jsonl', 'notes.txt']);
    assert.deepEqual(await readdir(join(path, 'checkpoints')), ['mine.txt']);
    assert.deepEqual(await directory.readConfig(), { answer: 42 });
    assert.equal(await readFile(join(path, 'events.jsonl'), 'utf8'), '');
  });

  it('puts the weights of a checkpoint in place first, so that a promotion that fails half way can be ended', async (t) => {
    const directory = new RunDirectory(await temporaryDirectory(t));
    await directory.claim({ resume: false, overwrite: false });
    await directory.create({});
    const { last, next } = directory;
    await writeFile(last.weights, 'weights 1');
    await writeFile(next.weights, 'weights 2');
    await writeFile(next.state, 'state 2');
    // A directory that holds something cannot be renamed over.
    await mkdir(join(last.state, 'in the way'), { recursive: true });
    await assert.rejects(directory.promote(), { code: 'ERR_FILE', message: /last\.state: / });
    assert.equal(await readFile(last.weights, 'utf8'), 'weights 2');
    assert.equal(await readFile(next.state, 'utf8'), 'state 2');
    await rm(last.state, { recursive: true });
    await directory.promoteState();
    assert.equal(await readFile(last.state, 'utf8'), 'state 2');
    assert.deepEqual((await readdir(join(directory.path, 'checkpoints'))).sort(), ['last.safetensors', 'last.state']);
    await directory.close();
  });

  it('keeps the run that is there until everything else has been checked', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel({ classes: ['class 0', 'class 1', 'another'] });
    const out = await temporaryDirectory(t);
    await writeFile(join(out, 'best.safetensors'), 'precious');
    await assert.rejects(train(model, data, { ...tinyOptions, out }).result, { code: 'ERR_OUTPUT_EXISTS' });
    await assert.rejects(train(model, data, { ...tinyOptions, out, overwrite: true }).result, {
      code: 'ERR_DATASET',
      message: /class 2/,
    });
    const fresh = join(out, 'fresh');
    await assert.rejects(train(model, data, { ...tinyOptions, out: fresh }).result, { code: 'ERR_DATASET' });
    assert.deepEqual(await readdir(out), ['best.safetensors']);
    assert.equal(await readFile(join(out, 'best.safetensors'), 'utf8'), 'precious');
  });
});
