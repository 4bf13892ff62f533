import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { csvRow } from '../csv.js';
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
import { percent } from '../table.js';

const options = {
  'top-k': {
    requiresArg: true,
    description: 'Likeliest classes of each image; default 5, or all where there are fewer',
    coerce: number('top-k', { integer: true, min: 1 }),
  },
  ...jsonOption,
  csv: { type: 'boolean', conflicts: ['json'], description: 'Print CSV: file, rank, label, index, probability' },
  ...classesOption,
  ...imageOptions,
  ...corruptOption,
  ...computeOptions,
} as const;

interface PredictArguments extends InferredOptionTypes<typeof options> {
  readonly model: string;
  readonly images: string[];
}

export const predictCommand: CommandModule<object, PredictArguments> = {
  command: 'predict <model> <images..>',
  describe: 'Label images',
  builder: (cli) =>
    cli
      .positional('model', modelArgument)
      .positional('images', {
        type: 'string',
        array: true,
        demandOption: true,
        description: 'Images, and folders, which are searched for images',
      })
      .options(options)
      .example('$0 predict runs/bees photo.jpg', 'the likeliest classes of one photograph')
      .example('$0 predict runs/bees photos --top-k 1 --csv > labels.csv', 'a folder, one line an image')
      .example('$0 predict runs/bees photo.jpg --json', '[{ file, predictions: [{ label, index, probability }] }]')
      .epilogue('A run directory stands for its best checkpoint.') as Argv<PredictArguments>,
  handler: (args) => interruptible((signal) => predict(args, signal)),
};

async function predict(args: ArgumentsCamelCase<PredictArguments>, signal: AbortSignal): Promise<void> {
  const { Predictor } = await import('../../inference/predictor.js');
  const { native } = await import('../../native/load.js');
  const { readClassNames } = await import('../../inference/class-names.js');
  const output = createOutput({ json: args.json === true || args.csv === true });
  if (args.threads !== undefined) native().setThreads(args.threads);
  using predictor = await Predictor.load(
    args.model,
    given({
      classes: args.classes === undefined ? undefined : await readClassNames(args.classes),
      device: args.device,
      precision: args.precision,
      imageSize: args.imageSize,
      resize: args.resize,
      maxBatch: args.batchSize,
      workers: args.workers,
      signal,
    }),
  );
  for (const note of predictor.notes) output.note(note);
  const found = await predictor.predict(
    args.images,
    given({
      topK: args.topK,
      skipCorrupt: args.skipCorrupt,
      signal,
      onProgress: (done: number, total: number) => output.progress('predict', done, total),
      onSkipped: (path: string, message: string) => output.note(`Left out ${path}: ${message}`),
    }),
  );
  output.endProgress();
  if (args.json === true) {
    output.json(found);
  } else if (args.csv === true) {
    process.stdout.write(csvRow(['file', 'rank', 'label', 'index', 'probability']));
    for (const { file, predictions } of found) {
      predictions.forEach(({ label, index, probability }, rank) => {
        process.stdout.write(csvRow([file ?? '', rank + 1, label, index, probability]));
      });
    }
  } else {
    for (const { file, predictions } of found) {
      const likeliest = predictions.map(({ label, probability }) => `${label} ${percent(probability)}`);
      output.print(`${file}: ${likeliest.join(', ')}`);
    }
  }
}
