import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { ResnetTorchError } from '../../errors.js';
import type { FailedPrediction } from '../../inference/prediction.js';
import type { Predictor } from '../../inference/predictor.js';
import type { Note } from '../../notes.js';
import { number } from '../../option-text.js';
import { given } from '../given.js';
import { interruptible } from '../interrupt.js';
import { LeftOut } from '../left-out.js';
import { type InferenceArguments, inferenceOptions, jsonOption, modelArgument, withRanges } from '../options.js';
import { createOutput, type Output } from '../output.js';
import { csv, json, lines, type PredictionsWriter } from '../predictions-output.js';
import { tellNotes } from '../tell-notes.js';

const options = {
  'top-k': {
    requiresArg: true,
    description: 'Likeliest classes of each image; default 5, or all where there are fewer',
    coerce: number('top-k', { integer: true, min: 1 }),
  },
  ...jsonOption,
  csv: {
    type: 'boolean',
    conflicts: ['json'],
    description: 'Print CSV: file, rank, label, index, probability, error',
  },
  strict: {
    type: 'boolean',
    conflicts: ['skip-corrupt'],
    description: 'Stop at the first image that cannot be read, instead of going on and exiting with 1 at the end',
  },
} as const;

interface PredictArguments extends InferredOptionTypes<typeof options>, InferenceArguments {
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
      .options({ ...withRanges(options), ...inferenceOptions })
      .example('$0 predict runs/bees photo.jpg', 'the likeliest classes of one photograph')
      .example('$0 predict runs/bees photos --top-k 1 --csv > labels.csv', 'a folder, one line an image')
      .example('$0 predict runs/bees photos --json', '{ images: [{ file, predictions | error }], notes }')
      .epilogue(
        'A run directory stands for its best checkpoint. An image that cannot be read has its error in --json and --csv; the exit code is then 1.',
      ) as Argv<PredictArguments>,
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
  const listed = await list(args.images, args.strict === true);
  const notes: Note[] = [...predictor.notes, ...listed.notes];
  tellNotes(notes, output);
  const writer = args.json === true ? json(output) : args.csv === true ? csv(output) : lines(output);
  await label(predictor, listed.files, args, { output, writer, notes, signal });
}

interface Means {
  readonly output: Output;
  readonly writer: PredictionsWriter;
  readonly notes: readonly Note[];
  readonly signal: AbortSignal;
}

async function label(
  predictor: Predictor,
  files: readonly string[],
  args: ArgumentsCamelCase<PredictArguments>,
  { output, writer, notes, signal }: Means,
): Promise<void> {
  const entries = predictor.stream(
    files,
    given({ topK: args.topK, stopOnError: args.strict === true, signal }) as { readonly stopOnError: boolean },
  );
  const failed = { count: 0, code: undefined as FailedPrediction['error']['code'] | undefined };
  const leftOut = new LeftOut(output, 'broken-files-left-out', 'Left out as broken');
  let done = 0;
  const ending = (): readonly Note[] => [...notes, ...leftOut.notes()];
  output.progress('predict', 0, files.length);
  try {
    for await (const entry of entries) {
      if ('error' in entry && args.skipCorrupt === true && entry.error.code === 'ERR_IMAGE_DECODE') {
        leftOut.add(entry.file ?? '', entry.error.message);
      } else {
        if ('error' in entry) {
          failed.count++;
          failed.code ??= entry.error.code;
          output.note(entry.error.message);
        }
        await writer.entry(entry);
      }
      output.progress('predict', ++done, Math.max(done, files.length));
    }
  } catch (error) {
    output.endProgress();
    await writer.end({ notes: ending(), error: reasonOf(error) });
    throw error;
  }
  output.endProgress();
  await writer.end({ notes: ending() });
  if (failed.code === undefined) return;
  throw new ResnetTorchError(
    failed.code,
    `${failed.count} of ${done} images could not be labelled; what is wrong with each is said above. ` +
      'To stop at the first add --strict.',
  );
}

/** The files that the arguments stand for. What is not there stands for itself, and fails in its turn. */
async function list(
  paths: readonly string[],
  strict: boolean,
): Promise<{ readonly files: readonly string[]; readonly notes: readonly Note[] }> {
  const { findImages } = await import('../../data/images.js');
  const { describeSkipped } = await import('../../data/skipped.js');
  const { Turns } = await import('../../data/turns.js');
  const turns = new Turns();
  const files: string[] = [];
  const notes: Note[] = [];
  for (const path of paths) {
    try {
      const found = await findImages([path]);
      for (const file of found.files) files.push(file);
      for (const { code, message } of await describeSkipped({ ignored: found.ignored, corrupt: [] }, path, turns)) {
        notes.push({ code, message: `In ${path}: ${message}` });
      }
    } catch (error) {
      if (strict || !(error instanceof ResnetTorchError) || error.code !== 'ERR_DATASET') throw error;
      files.push(path);
    }
  }
  return { files, notes };
}

function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ResnetTorchError) return { code: error.code, message };
  return { code: error instanceof Error && error.name === 'AbortError' ? 'ERR_ABORTED' : 'ERR_INTERNAL', message };
}
