import { join } from 'node:path';
import type { ArgumentsCamelCase } from 'yargs';
import { type Dataset, openDataset } from '../data/dataset.js';
import { ResNet50 } from '../model/resnet50.js';
import { native } from '../native/load.js';
import { invalidArgument } from '../options.js';
import type { TrainingRun } from '../training/run.js';
import type { RunConfig } from '../training/run-config.js';
import { RunDirectory } from '../training/run-directory.js';
import type { Strategy } from '../training/strategies.js';
import { train } from '../training/train.js';
import { type TrainArguments, trainOptions } from './commands/train.js';
import { given } from './given.js';
import { createOutput, type Output } from './output.js';
import { strategyFromArguments } from './plan.js';
import { trainingTeller } from './training-output.js';

type Arguments = ArgumentsCamelCase<TrainArguments>;

/** `resnet-torch train`: opens the data, makes the model, trains, and tells what happens. */
export async function runTraining(args: Arguments, signal: AbortSignal): Promise<void> {
  const output = createOutput({ json: args.json === true });
  if (args.threads !== undefined) native().setThreads(args.threads);
  if (args.resume === true) await continueRun(args, args.out ?? '', signal, output);
  else await beginRun(args, signal, output);
}

async function beginRun(args: Arguments, signal: AbortSignal, output: Output): Promise<void> {
  const strategy = strategyFromArguments(args);
  const out = args.out ?? defaultOut(new Date(), strategy.name);
  // Before the images are read and the weights are fetched, which may take long.
  await new RunDirectory(out).check(args.overwrite === true);
  using data = await openData(args, signal, output);
  using model = await makeModel(args, strategy, data, signal, output);
  const run = train(model, data, {
    strategy,
    out,
    ...given({
      overwrite: args.overwrite,
      epochs: args.epochs,
      batchSize: args.batchSize,
      imageSize: args.imageSize,
      resize: args.resize,
      seed: args.seed,
      workers: args.workers,
      cacheImages: args.cacheImages,
      precision: args.precision,
      lossScale: args.lossScale,
      cudaGraph: args.cudaGraph,
      skipCorrupt: args.skipCorrupt,
      cache: args.cache,
      cacheViews: args.cacheViews,
      signal,
    }),
  });
  await tell(run, args, output);
}

/** What may be said of a run that goes on; `val-split`, `seed` and `skip-corrupt` open the same data again. */
const CONTINUABLE = [
  'data',
  'out',
  'resume',
  'json',
  'valSplit',
  'seed',
  'skipCorrupt',
  'workers',
  'cacheImages',
  'cudaGraph',
  'threads',
  'device',
];

async function continueRun(args: Arguments, out: string, signal: AbortSignal, output: Output): Promise<void> {
  const options = Object.keys(trainOptions).filter((name) => !CONTINUABLE.includes(camelCase(name)));
  const also = options.find((name) => args[name] !== undefined);
  if (also !== undefined) throw invalidArgument(`--resume continues a run with its own settings. Leave --${also} out.`);
  const directory = new RunDirectory(out);
  const { settings } = (await directory.readConfig()) as Partial<RunConfig>;
  const seed = args.seed ?? settings?.seed;
  const skipCorrupt = args.skipCorrupt ?? settings?.skipCorrupt;
  const { data: path, valSplit, workers } = args;
  using data = await openData({ data: path, valSplit, seed, workers, skipCorrupt }, signal, output);
  using model = await ResNet50.load(directory.last.weights, given({ device: args.device, signal }));
  const run = train(model, data, {
    out,
    resume: true,
    ...given({ workers: args.workers, cacheImages: args.cacheImages, cudaGraph: args.cudaGraph, signal }),
  });
  await tell(run, args, output);
}

async function tell(run: TrainingRun, args: Arguments, output: Output): Promise<void> {
  const show = trainingTeller(output);
  for await (const event of run) {
    show(event);
    if (args.json === true) output.json(event);
  }
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

type DataArguments = Pick<Arguments, 'data' | 'valSplit' | 'seed' | 'workers' | 'skipCorrupt'>;

async function openData(args: DataArguments, signal: AbortSignal, output: Output): Promise<Dataset> {
  const data = await openDataset(
    args.data,
    given({
      valSplit: args.valSplit,
      seed: args.seed,
      workers: args.workers,
      skipCorrupt: args.skipCorrupt,
      signal,
      onProgress: (done: number, total: number) => output.progress('scan images', done, total),
    }),
  );
  output.endProgress();
  for (const note of data.notes) output.note(note);
  return data;
}

async function makeModel(
  args: Arguments,
  strategy: Strategy,
  data: Dataset,
  signal: AbortSignal,
  output: Output,
): Promise<ResNet50> {
  const model = await ResNet50.create({
    classes: data.classes,
    head: strategy.head,
    ...given({
      weights: args.weights,
      device: args.device,
      seed: args.seed,
      signal,
      onProgress: (bytes: number, total: number | null) =>
        output.progress('download weights', megabytes(bytes), megabytes(total ?? 0), 'MB'),
    }),
  });
  output.endProgress();
  for (const note of model.notes) output.note(note);
  return model;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

/** `runs/20260131-184502-differential`, in local time. */
export function defaultOut(now: Date, strategy: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return join('runs', `${date}-${time}-${strategy}`);
}
