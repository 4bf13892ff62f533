import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { differencesOf } from '../../src/report/differences.js';
import { readRun } from '../../src/report/read-run.js';
import { train } from '../../src/training/train.js';
import { inProcess, jsonLines, resnetTorch } from '../cli/support/command.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { collect, readEvents, tinyData, tinyModel, tinyOptions } from '../training/support/tiny.js';

describe('the report of runs', () => {
  let one: string;
  let other: string;
  let close: () => Promise<void>;

  before(async () => {
    const ends: (() => unknown)[] = [];
    const t = { after: (end: () => unknown) => ends.push(end) } as never;
    close = async () => {
      for (const end of ends.reverse()) await end();
    };
    const data = await tinyData(t);
    const folder = await temporaryDirectory(t);
    [one, other] = [join(folder, 'one'), join(folder, 'other')];
    for (const [out, more] of [
      [one, {}],
      [other, { lr: 2e-3, bestMetric: 'ece', patience: 5 }],
    ] as const) {
      using model = await tinyModel();
      await collect(train(model, data, { ...tinyOptions, ...more, out }));
    }
  });

  after(() => close());

  /** A copy of the first run with other files. */
  async function changed(t: Parameters<typeof temporaryDirectory>[0], files: Readonly<Record<string, string | null>>) {
    const path = join(await temporaryDirectory(t), 'run');
    await mkdir(path);
    for (const name of ['config.json', 'events.jsonl']) await cp(join(one, name), join(path, name));
    for (const [name, text] of Object.entries(files)) {
      if (text === null) await rm(join(path, name));
      else await writeFile(join(path, name), text);
    }
    return path;
  }

  const lines = async () => (await readFile(join(one, 'events.jsonl'), 'utf8')).trimEnd().split('\n');

  it('has what the events of a run told', async () => {
    const run = await readRun(one);
    const events = await readEvents(one);
    const epochs = events.filter((event) => event.type === 'epoch');
    const result = events.at(-1);
    assert.ok(result?.type === 'result');
    assert.deepEqual([run.path, run.status, run.planned, run.bestMetric], [one, 'finished', 2, 'top1']);
    assert.deepEqual(
      run.epochs.map(({ val, train: trained }) => [val, trained]),
      epochs.map(({ val, train: trained }) => [val, trained]),
    );
    assert.deepEqual([run.best, run.last, run.error, run.skipped], [result.best, result.last, null, 0]);
    const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds.train + epoch.seconds.val, 0);
    assert.ok(Math.abs(run.seconds / seconds - 1) < 1e-12);
    assert.ok(Math.abs(run.imagesPerSecond / result.imagesPerSecond - 1) < 1e-6);
    assert.equal(run.settings.seed, 5);
    assert.ok('patience' in (await readRun(other)).settings && !('patience' in run.settings));
  });

  it('says how a run ended, or that it has not', async (t) => {
    const all = await lines();
    const with_ = async (end: readonly string[]) =>
      readRun(await changed(t, { 'events.jsonl': `${end.join('\n')}\n` }));
    const before = all.slice(0, -1);
    assert.equal((await with_(before)).status, 'unfinished');
    assert.equal(
      (await with_([...before, '{"type":"aborted","epoch":2,"step":4,"checkpoint":null}'])).status,
      'aborted',
    );
    const failed = await with_([...before, '{"type":"error","code":"ERR_FILE","message":"full","epoch":2,"step":4}']);
    assert.deepEqual([failed.status, failed.error], ['failed', { code: 'ERR_FILE', message: 'full' }]);
    const stopped = String(all.at(-1)).replace('"stopped":false', '"stopped":true');
    assert.equal((await with_([...before, stopped])).status, 'stopped');
    const begun = await readRun(await changed(t, { 'events.jsonl': null }));
    assert.deepEqual([begun.status, begun.epochs, begun.best, begun.imagesPerSecond], ['unfinished', [], null, 0]);
  });

  it('takes runs that were killed in mid-line, and those of earlier versions', async (t) => {
    const all = await lines();
    const cut = await readRun(await changed(t, { 'events.jsonl': [...all.slice(0, -1), '{"type":"resu'].join('\n') }));
    assert.deepEqual([cut.status, cut.epochs.length, cut.notes.at(-1)?.code], ['unfinished', 2, 'event-cut-off']);
    const config = JSON.parse(await readFile(join(one, 'config.json'), 'utf8'));
    const { bestMetric: _, ...settings } = config.settings;
    const early = { format: config.format, settings, model: config.model, data: config.data };
    const events = all.map((line) => line.replace(/,"waiting":[^}]*/, ''));
    const run = await readRun(
      await changed(t, { 'config.json': JSON.stringify(early), 'events.jsonl': `${events.join('\n')}\n` }),
    );
    assert.deepEqual([run.bestMetric, run.created, run.notes, run.versions], ['top1', null, [], {}]);
    assert.deepEqual(
      run.epochs.map(({ seconds }) => seconds.waiting),
      [0, 0],
    );
  });

  it('names what is damaged', async (t) => {
    const all = await lines();
    const refused = async (files: Readonly<Record<string, string | null>>, message: RegExp) =>
      assert.rejects(readRun(await changed(t, files)), fails('ERR_CHECKPOINT', message));
    await refused({ 'config.json': null }, /holds no config\.json.*--out/);
    await refused({ 'config.json': '{' }, /config\.json is damaged: it is not JSON/);
    await refused({ 'config.json': '{"format":"other"}' }, /config\.json is not that of a run/);
    await refused({ 'config.json': 'null' }, /config\.json is not that of a run/);
    await refused(
      { 'events.jsonl': ['{"type":"st', ...all].join('\n') },
      /events\.jsonl is damaged: line 1 is no event/,
    );
    await refused({ 'events.jsonl': [all[0], '{"type":"epoch"}', ...all].join('\n') }, /damaged: line 2/);
    await assert.rejects(readRun(join(one, 'config.json')), fails('ERR_CHECKPOINT', /holds no config\.json/));
  });

  it('tells what differs, and nothing else', async () => {
    const runs = [await readRun(one), await readRun(other)];
    const differences = differencesOf(runs);
    const names = differences.map(({ name }) => name);
    assert.deepEqual([...names].sort(), ['bestMetric', 'groups', 'patience']);
    assert.deepEqual(differences.find(({ name }) => name === 'patience')?.values, [null, 5]);
    const [groups] = differences.find(({ name }) => name === 'groups')?.values ?? [];
    assert.equal(typeof (groups as readonly { parameters: unknown }[])[0]?.parameters, 'number');
    assert.deepEqual(differencesOf(runs.slice(0, 1)), []);
  });

  it('is a table of runs on the command line, or JSON', async (t) => {
    const { code, stdout } = await resnetTorch(['report', one, other]);
    assert.equal(code, 0);
    const table = stdout.split('\n');
    assert.match(table[0] ?? '', /^run +status +epochs +best +top-1 +balanced +loss +calibration error +time +img\/s$/);
    assert.match(table[2] ?? '', /^one +finished +2\/2 +\d +\d+\.\d\d% .* – .* s +\d+\.\d$/);
    assert.match(table[3] ?? '', /^other +finished +2\/2 +\d .* 0\.\d{4} .* s +\d+\.\d$/);
    assert.match(stdout, /\ndiffers +one +other\n/);
    assert.match(stdout, /\nbestMetric +top1 +ece\n/);
    const [json] = jsonLines((await resnetTorch(['report', one, other, '--json'])).stdout);
    const runs = [await readRun(one), await readRun(other)];
    assert.deepEqual(json, JSON.parse(JSON.stringify({ runs, differences: differencesOf(runs) })));
    const missing = await inProcess(t, ['report', join(one, 'none')]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /none holds no config\.json/);
  });
});
