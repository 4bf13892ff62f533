import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { variantToLoad } from '../../src/native/load.js';
import { inProcess, jsonLines, resnetTorch } from './support/command.js';
import { writeFolders, writeImage } from './support/images.js';

const CLASSES = ['rote Äpfel', '青い 丸'];
const small = ['--image-size', '32', '--batch-size', '4', '--precision', 'fp32', '--workers', '1', '--threads', '1'];
const quick = [...small.slice(0, 6), '--strategy', 'feature-extraction', '--head', 'linear', '--weights', 'none'];

/** The codes of the notes in an event or a result. */
function codesOf(value: Record<string, unknown> | undefined): string[] {
  const notes = (value?.notes ?? []) as readonly { code: string }[];
  return notes.map(({ code }) => code);
}

interface Best {
  readonly epoch: number;
  readonly top1: number;
  readonly balancedAccuracy: number;
  readonly loss: number;
}

describe('from images to labels', () => {
  let folder: string;
  let data: string;
  let run: string;
  let events: readonly Record<string, unknown>[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    data = join(folder, 'my data');
    run = join(folder, 'run');
    await writeFolders(data, {
      [`train/${CLASSES[0]}`]: 4,
      [`train/${CLASSES[1]}`]: 4,
      [`val/${CLASSES[0]}`]: 2,
      [`val/${CLASSES[1]}`]: 3,
    });
    await writeFile(join(data, 'train', 'notes.txt'), 'left alone');
    const broken = join(data, 'train', CLASSES[0] ?? '', 'broken.jpg');
    await writeFile(broken, 'no image');
    const trained = await resnetTorch([
      'train',
      data,
      '--out',
      run,
      '--epochs',
      '2',
      '--json',
      '--skip-corrupt',
      ...quick,
    ]);
    await rm(broken);
    assert.equal(trained.code, 0, trained.stderr);
    assert.match(trained.stderr, /broken\.jpg/, 'what is left out is named');
    assert.match(trained.stderr, /notes\.txt/, 'what is not read is named');
    events = jsonLines(trained.stdout);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('tells a run in events, the last of them the result', () => {
    assert.deepEqual(events[0]?.classes, CLASSES);
    assert.deepEqual(codesOf(events[0]).sort(), ['broken-files-left-out', 'files-not-read']);
    const result = events.at(-1);
    assert.equal(result?.type, 'result');
    const best = result?.best as Best;
    assert.deepEqual(Object.keys(best).sort(), ['balancedAccuracy', 'epoch', 'loss', 'top1']);
    assert.equal(result?.skipped, 1);
    assert.ok(events.some(({ type }) => type === 'epoch'));
  });

  it('writes a run directory, and leaves one that is there alone', async (t) => {
    for (const file of [
      'config.json',
      'events.jsonl',
      'best.safetensors',
      'checkpoints/last.safetensors',
      'checkpoints/last.state',
    ]) {
      assert.ok(existsSync(join(run, file)), file);
    }
    const config = await readFile(join(run, 'config.json'), 'utf8');
    const again = await inProcess(t, ['train', data, '--out', run, ...quick]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /not empty.*--overwrite.*\(ERR_OUTPUT_EXISTS\)/s);
    assert.equal(await readFile(join(run, 'config.json'), 'utf8'), config);
  });

  it('evaluates to what the run said', async () => {
    const { code, stdout } = await resnetTorch(['eval', run, data, '--json', ...small]);
    assert.equal(code, 0);
    const [result] = jsonLines(stdout);
    const best = events.at(-1)?.best as Best;
    assert.equal(result?.images, 5);
    assert.deepEqual(codesOf(result), ['files-not-read']);
    assert.equal(result?.top1, best.top1);
    assert.equal(result?.balancedAccuracy, best.balancedAccuracy);
    assert.ok(Math.abs(Number(result?.loss) - best.loss) < 1e-4);
  });

  it('evaluates by what is asked for, and writes what was taken for what', async (t) => {
    const csv = join(folder, 'confusion.csv');
    const asked = ['--metrics', 'f1-macro,roc-auc, top2', '--confusion', csv];
    const [json, text] = [
      await resnetTorch(['eval', run, data, ...asked, '--json', ...small]),
      await resnetTorch(['eval', run, data, ...asked, ...small]),
    ];
    assert.equal(json.code, 0, json.stderr);
    const [result] = jsonLines(json.stdout);
    assert.ok(typeof result?.f1Macro === 'number' && typeof result.rocAuc === 'number');
    assert.equal(result.top2, null, 'of two classes');
    assert.deepEqual(codesOf(result), ['files-not-read', 'metric-says-nothing']);
    const rows = result.perClass as readonly { name: string; images: number; recall: number; precision: number }[];
    assert.deepEqual(
      rows.map(({ name, images }) => [name, images]),
      [
        [CLASSES[0], 2],
        [CLASSES[1], 3],
      ],
    );
    const [heading, ...lines] = (await readFile(csv, 'utf8')).trimEnd().split('\r\n');
    assert.equal(heading, ['class', ...CLASSES].join(','));
    const counts = lines.map((line) => line.split(',').slice(1).map(Number));
    assert.deepEqual(
      counts.map((row, label) => (row[label] ?? 0) / row.reduce((a, b) => a + b)),
      rows.map(({ recall }) => recall),
    );
    assert.match(text.stdout, /^class +images +precision +recall +F1\n/);
    assert.match(text.stdout, /\nF1 \(macro\) \d+\.\d\d%\nROC AUC \d\.\d{4}\ntop-2 –\n$/);
    assert.match(text.stderr, /top2 is left empty: .*2 classes/);
    const wrong = await inProcess(t, ['eval', run, data, '--metrics', 'rocauc']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--metrics cannot be "rocauc".*Did you mean roc-auc\?/);
    const unknown = await inProcess(t, ['train', data, '--out', join(folder, 'x'), '--best-metric', 'f1', ...quick]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /--best-metric cannot be "f1".*Did you mean f1-macro\?/);
  });

  it('takes a list of images where it takes a folder', async () => {
    const list = join(folder, 'labels.csv');
    const images = [0, 1, 2].flatMap((i) =>
      CLASSES.map((name) => [`my data/val/${name}/photo ${i}.jpg`, name] as const),
    );
    const val = images.filter(([path]) => existsSync(join(folder, path)));
    const train = val.map(([path, name]) => [path.replace('/val/', '/train/'), name] as const);
    const text = (rows: readonly string[]) => `\ufeff${['path,label,split', ...rows].join('\r\n')}\r\n`;
    const rows = [...val.map((row) => [...row, 'val']), ...train.map((row) => [...row, 'train'])].map((row) =>
      row.join(','),
    );
    await writeFile(list, text(rows));
    const [ofFolder, ofList] = [
      await resnetTorch(['eval', run, data, '--json', ...small]),
      await resnetTorch(['eval', run, list, '--json', ...small]),
    ].map(({ stdout }) => jsonLines(stdout)[0]);
    assert.deepEqual({ ...ofList, notes: [] }, { ...ofFolder, notes: [] });
    assert.equal(ofList?.images, 5);

    const out = join(folder, 'from a list');
    const options = ['--out', out, '--epochs', '1', '--best-metric', 'balanced-accuracy', '--json', ...quick];
    const trained = await resnetTorch(['train', list, ...options]);
    assert.equal(trained.code, 0, trained.stderr);
    assert.match(trained.stderr, /Best by balanced accuracy: epoch 1/);
    const started = jsonLines(trained.stdout)[0];
    assert.deepEqual([started?.images, started?.bestMetric], [{ train: 5, val: 5 }, 'balanced-accuracy']);

    await writeFile(list, text([...rows, 'my data/val/none.jpg,x,val']));
    const failed = await resnetTorch(['train', list, '--out', join(folder, 'failed'), ...quick]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /Line 12 of .*labels\.csv names a file that is not there/);
    assert.equal(existsSync(join(folder, 'failed', 'config.json')), false);
  });

  it('matches labels by name, in a folder without parts', async (t) => {
    const part = join(folder, 'some');
    await writeImage(join(part, CLASSES[1] ?? '', 'one.jpg'), 1, 0);
    const known = await resnetTorch(['eval', run, part]);
    assert.equal(known.code, 0, known.stderr);
    assert.match(known.stdout, /青い 丸 +1 /);
    assert.match(known.stdout, /1 images \(all\)/);
    await writeImage(join(part, 'birds', 'one.jpg'), 2, 0);
    const unknown = await inProcess(t, ['eval', run, part]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /birds.*\(ERR_DATASET\)/s);
  });

  it('predicts files and folders as JSON', async () => {
    const single = join(data, 'val', CLASSES[1] ?? '', 'photo 0.jpg');
    const { code, stdout } = await resnetTorch(['predict', run, single, join(data, 'val'), '--json', ...small]);
    assert.equal(code, 0);
    const { images: found } = JSON.parse(stdout) as {
      images: { file: string; predictions: { label: string; index: number; probability: number }[] }[];
    };
    assert.equal(found.length, 6);
    assert.equal(found[0]?.file, single);
    for (const { predictions } of found) {
      assert.equal(predictions.length, 2, 'all classes, where there are fewer than five');
      for (const { label, index } of predictions) assert.equal(label, CLASSES[index]);
      assert.ok(Math.abs(predictions.reduce((sum, { probability }) => sum + probability, 0) - 1) < 1e-5);
      assert.ok((predictions[0]?.probability ?? 0) >= (predictions[1]?.probability ?? 1));
    }
  });

  it('predicts as CSV, and leaves out a broken image where it may', async (t) => {
    const broken = join(folder, 'broken.jpg');
    await writeFile(broken, 'no image');
    const two = join(data, 'val', CLASSES[0] ?? '');
    const strict = await inProcess(t, ['predict', run, broken, two, '--csv', '--strict']);
    assert.equal(strict.code, 1);
    assert.match(strict.stderr, /broken\.jpg.*\(ERR_IMAGE_DECODE\)/s);
    const lenient = await resnetTorch([
      'predict',
      run,
      broken,
      two,
      '--csv',
      '--skip-corrupt',
      '--top-k',
      '2',
      '--top-k',
      '1',
    ]);
    // Of an option that is given twice the last counts, also where it is a 1.
    assert.equal(lenient.code, 0);
    assert.match(lenient.stderr, /Left out .*broken\.jpg/);
    const lines = lenient.stdout.trimEnd().split('\r\n');
    assert.equal(lines[0], 'file,rank,label,index,probability,error');
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(',')[0]),
      ['photo 0.jpg', 'photo 1.jpg'].map((name) => join(two, name)),
    );
  });

  it('says when more likeliest classes are asked for than there are', async (t) => {
    const many = await inProcess(t, ['predict', run, join(data, 'val'), '--top-k', '3']);
    assert.equal(many.code, 2);
    assert.match(many.stderr, /topK is 3, but the model knows 2 classes/);
  });

  it('inspects the run: what it holds, what trained, and how fast', async () => {
    const { code, stdout } = await resnetTorch(['inspect', run, '--json']);
    assert.equal(code, 0);
    const report = JSON.parse(stdout);
    assert.deepEqual(report.model.classes, CLASSES);
    assert.equal(report.plan.from, 'run');
    assert.deepEqual([report.plan.precision, report.plan.lossScale], ['fp32', null]);
    assert.equal(report.plan.units.length, 18);
    const head = report.plan.units.at(-1);
    assert.equal(head.trainable, 2 * 2048 + 2);
    assert.equal(head.groups[0].lr, 1e-3);
    assert.equal(report.plan.frozenPrefixUnits, 17);
    assert.equal(report.system.native.variant, variantToLoad());
  });

  it('stops at Ctrl-C with what it has, exits 130, and goes on with --resume', async (t) => {
    const out = join(folder, 'stopped');
    const stopAtFirstEpoch = (text: string, kill: (signal: NodeJS.Signals) => void): void => {
      if (text.includes('"type":"epoch"')) kill('SIGINT');
    };
    const first = await resnetTorch(['train', data, '--out', out, '--epochs', '500', '--json', ...quick], {
      onOutput: once(stopAtFirstEpoch),
    });
    assert.equal(first.code, 130, first.stderr);
    const aborted = jsonLines(first.stdout).at(-1);
    assert.equal(aborted?.type, 'aborted');
    const second = await resnetTorch(['train', data, '--out', out, '--resume', '--json'], {
      onOutput: once(stopAtFirstEpoch),
    });
    assert.equal(second.code, 130, second.stderr);
    assert.deepEqual(jsonLines(second.stdout)[0]?.resumedAt, { epoch: aborted?.epoch, step: aborted?.step });
    const wrong = await inProcess(t, ['train', data, '--out', out, '--resume', '--lr', '1e-3']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /Leave --lr out/);
  });
});

/** Passes on calls until one of them has sent a signal. */
function once(watch: (text: string, kill: (signal: NodeJS.Signals) => void) => void) {
  let sent = false;
  return (text: string, kill: (signal: NodeJS.Signals) => void): void => {
    if (sent) return;
    watch(text, (signal) => {
      sent = true;
      kill(signal);
    });
  };
}
