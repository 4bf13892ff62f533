import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { given } from '../given.js';
import { interruptible } from '../interrupt.js';
import {
  classesOption,
  computeOptions,
  corruptOption,
  imageOptions,
  jsonOption,
  modelArgument,
  number,
} from '../options.js';
import { createOutput } from '../output.js';
import { percent, table } from '../table.js';

const options = {
  split: {
    type: 'string',
    requiresArg: true,
    choices: ['train', 'val', 'all'] as const,
    description: 'The part to evaluate on; default val, or all of a folder that has no parts',
  },
  'val-split': {
    requiresArg: true,
    description: 'Of a folder without parts, the share that `train` held back with this value and seed',
    coerce: number('val-split', { above: 0, max: 0.9 }),
  },
  seed: {
    requiresArg: true,
    description: 'The seed of the run whose --val-split this is; default 0',
    coerce: number('seed', { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER }),
  },
  ...jsonOption,
  ...classesOption,
  ...imageOptions,
  ...corruptOption,
  ...computeOptions,
} as const;

interface EvalArguments extends InferredOptionTypes<typeof options> {
  readonly model: string;
  readonly data: string;
}

export const evalCommand: CommandModule<object, EvalArguments> = {
  command: 'eval <model> <data>',
  describe: 'Measure a model on a folder of labelled images',
  builder: (cli) =>
    cli
      .positional('model', modelArgument)
      .positional('data', {
        type: 'string',
        demandOption: true,
        description: 'A folder with train/ and val/, or one folder of class folders',
      })
      .options(options)
      .example('$0 eval runs/bees data/bees', "a run's best checkpoint on val/")
      .example('$0 eval runs/bees data/bees --split train --json', '{ top1, top5, loss, images }')
      .example('$0 eval resnet50.pth photos --classes names.txt', 'a weights file, its outputs named one a line')
      .epilogue('Labels are matched by class name, never by position.') as Argv<EvalArguments>,
  handler: (args) => interruptible((signal) => evaluateModel(args, signal)),
};

async function evaluateModel(args: ArgumentsCamelCase<EvalArguments>, signal: AbortSignal): Promise<void> {
  const { openDataset } = await import('../../data/dataset.js');
  const { evaluate } = await import('../../inference/evaluate.js');
  const { readClassNames } = await import('../../inference/class-names.js');
  const { native } = await import('../../native/load.js');
  const { loadNamed } = await import('../load-named.js');
  const output = createOutput({ json: args.json === true });
  if (args.threads !== undefined) native().setThreads(args.threads);
  const names = args.classes === undefined ? undefined : await readClassNames(args.classes);
  using data = await openDataset(args.data, {
    purpose: 'evaluate',
    ...given({
      valSplit: args.valSplit,
      seed: args.seed,
      workers: args.workers,
      skipCorrupt: args.skipCorrupt,
      signal,
      onProgress: (done: number, total: number) => output.progress('scan images', done, total),
    }),
  });
  output.endProgress();
  for (const note of data.notes) output.note(note);
  using model = await loadNamed(args, names, data, signal, output);
  const result = await evaluate(
    model,
    data,
    given({
      split: args.split ?? (args.valSplit === undefined ? undefined : ('val' as const)),
      imageSize: args.imageSize,
      resize: args.resize,
      batchSize: args.batchSize,
      precision: args.precision,
      workers: args.workers,
      skipCorrupt: args.skipCorrupt,
      signal,
      onSkipped: (path: string, message: string) => output.note(`Left out ${path}: ${message}`),
      onProgress: (done: number, total: number) => output.progress('evaluate', done, total),
    }),
  );
  output.endProgress();
  const { top1, top5, loss, images, split } = result;
  if (args.json === true) {
    output.json({ top1, top5, loss, images });
    return;
  }
  const rows = result.perClass.map((row) => [row.name, String(row.images), row.images === 0 ? '–' : percent(row.top1)]);
  output.print(table(['class', 'images', 'top-1'], rows, ['left', 'right', 'right']));
  const fifth = top5 === undefined ? '' : `, top-5 ${percent(top5)}`;
  output.print(`\n${images} images (${split}): top-1 ${percent(top1)}${fifth}, loss ${loss.toFixed(4)}`);
}
