import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { writeFileAtomic } from '../../files.js';
import { KNOWN_METRICS, requireMetric } from '../../metrics/ask.js';
import { number } from '../../option-text.js';
import { OPTIONS } from '../../training/option-table.js';
import { confusionCsv, describeEvaluation } from '../evaluation-output.js';
import { given } from '../given.js';
import { interruptible } from '../interrupt.js';
import { LeftOut } from '../left-out.js';
import { type InferenceArguments, inferenceOptions, jsonOption, modelArgument, withRanges } from '../options.js';
import { createOutput } from '../output.js';
import { tellNotes } from '../tell-notes.js';

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
    coerce: number('val-split', OPTIONS.valSplit.type.range),
  },
  seed: {
    requiresArg: true,
    description: 'The seed of the run whose --val-split this is; default 0',
    coerce: number('seed', OPTIONS.seed.type.range),
  },
  metrics: {
    type: 'string',
    requiresArg: true,
    description: `Figures beside those that are always told, with commas between them: ${KNOWN_METRICS}`,
    coerce: (given: string) => given.split(',').map((name) => requireMetric(name.trim(), '--metrics')),
  },
  confusion: {
    type: 'string',
    requiresArg: true,
    description: 'Write what each class was taken for to this CSV file, a row a class, a column an answer',
  },
  ...jsonOption,
} as const;

interface EvalArguments extends InferredOptionTypes<typeof options>, InferenceArguments {
  readonly model: string;
  readonly data: string;
}

export const evalCommand: CommandModule<object, EvalArguments> = {
  command: 'eval <model> <data>',
  describe: 'Measure a model on labelled images',
  builder: (cli) =>
    cli
      .positional('model', modelArgument)
      .positional('data', {
        type: 'string',
        demandOption: true,
        description: 'A folder with train/ and val/, one folder of class folders, or a list of images (.csv, .jsonl)',
      })
      .options({ ...withRanges(options), ...inferenceOptions })
      .example('$0 eval runs/bees data/bees', "a run's best checkpoint on val/")
      .example(
        '$0 eval runs/bees data/bees --split train --json',
        '{ loss, top1, top5, balancedAccuracy, images, perClass, notes }',
      )
      .example('$0 eval runs/bees data/bees --metrics f1-macro,roc-auc,ece,top3', 'more figures')
      .example('$0 eval runs/bees data/bees --confusion confusion.csv', 'what was taken for what')
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
  tellNotes(data.notes, output);
  const loaded = await loadNamed(args, names, data, signal);
  using model = loaded.model;
  tellNotes(loaded.notes, output);
  const leftOut = new LeftOut(output, 'files-left-out', 'Left out, since they could not be decoded');
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
      metrics: args.metrics,
      confusion: args.confusion !== undefined,
      signal,
      onSkipped: (path: string, message: string) => leftOut.add(path, message),
      onProgress: (done: number, total: number) => output.progress('evaluate', done, total),
    }),
  );
  output.endProgress();
  if (args.confusion !== undefined && result.confusion !== undefined) {
    await writeFileAtomic(args.confusion, confusionCsv(result.confusion));
  }
  const notes = [...data.notes, ...loaded.notes, ...(result.notes ?? []), ...leftOut.notes()];
  if (args.json === true) {
    const { split: _, confusion: __, ...told } = result;
    output.json({ ...told, notes });
    return;
  }
  tellNotes(result.notes ?? [], output);
  output.print(describeEvaluation(result, args.metrics ?? []));
  if (leftOut.count > 0) output.print(`Files left out: ${leftOut.count}`);
}
