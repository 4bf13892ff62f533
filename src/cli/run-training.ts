import { join } from 'node:path';
import type { ArgumentsCamelCase } from 'yargs';
import { type Dataset, openDataset } from '../data/dataset.js';
import { refuseOutputInside } from '../data/output-place.js';
import { DEFAULT_ARCHITECTURE } from '../model/architecture.js';
import { ResNet } from '../model/network.js';
import { native } from '../native/load.js';
import { invalidArgument } from '../options.js';
import { openLast } from '../training/checkpoint.js';
import { OPTIONS } from '../training/option-table.js';
import { namesByResume, namesOf, pick } from '../training/option-values.js';
import type { TrainOptions } from '../training/options.js';
import { otherArchitecture, type RunConfig } from '../training/run-config.js';
import { RunDirectory } from '../training/run-directory.js';
import type { Strategy } from '../training/strategies.js';
import { startRun } from '../training/train.js';
import { flagOf } from './flags.js';
import { given } from './given.js';
import { createOutput, type Output } from './output.js';
import { strategyFromArguments } from './plan.js';
import { outliveReaders } from './readers.js';
import { tellNotes } from './tell-notes.js';
import type { TrainArguments } from './train-options.js';
import { trainingTeller } from './training-output.js';

type Arguments = ArgumentsCamelCase<TrainArguments>;

/** `resnet-torch train`: opens the data, makes the model, trains, and tells what happens. */
export async function runTraining(args: Arguments, signal: AbortSignal): Promise<void> {
  outliveReaders();
  const output = createOutput({ json: args.json === true });
  if (args.threads !== undefined) native().setThreads(args.threads);
  const strategy = strategyFromArguments(args);
  const directory = new RunDirectory(args.out ?? defaultOut(new Date(), strategy.name));
  const resume = args.resume === true;
  if (resume) refuseSettings(args);
  try {
    // Before the images are read and the weights are fetched, which may take long.
    if (!resume) await refuseOutputInside(args.data, directory.path);
    await directory.claim({ resume, overwrite: args.overwrite === true });
    if (resume) await continueRun(args, directory, signal, output);
    else await beginRun(args, strategy, directory, signal, output);
  } finally {
    await directory.close();
  }
}

async function beginRun(
  args: Arguments,
  strategy: Strategy,
  directory: RunDirectory,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  using data = await openData(args, signal, output);
  using model = await makeModel(args, strategy, data, signal, output);
  const told = pick(args, namesOf('loss', 'settings', 'conditions'));
  const options: TrainOptions = { ...told, strategy, out: directory.path, signal };
  await tell(model, data, options, directory, args, output);
}

function refuseSettings(args: Arguments): void {
  const also = namesByResume('kept').find((name) => args[name] !== undefined);
  if (also === undefined) return;
  throw invalidArgument(`--resume continues a run with its own settings. Leave --${flagOf(also)} out.`);
}

/** Conditions of a run that may be other ones when it goes on. */
const CONDITIONS = namesOf('conditions').filter((name) => OPTIONS[name].resume === 'free');

async function continueRun(
  args: Arguments,
  directory: RunDirectory,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  await openLast(directory);
  const { settings, model: began } = (await directory.readConfig()) as Partial<RunConfig>;
  const arch = began?.arch ?? DEFAULT_ARCHITECTURE;
  if (args.arch !== undefined && args.arch !== arch) throw otherArchitecture(directory.path, arch, args.arch);
  const seed = args.seed ?? settings?.seed;
  const skipCorrupt = args.skipCorrupt ?? settings?.skipCorrupt;
  const { data: path, valSplit, workers } = args;
  using data = await openData({ data: path, valSplit, seed, workers, skipCorrupt }, signal, output);
  using model = await ResNet.load(directory.last.weights, given({ device: args.device, signal }));
  const options: TrainOptions = { ...pick(args, CONDITIONS), out: directory.path, resume: true, signal };
  await tell(model, data, options, directory, args, output);
}

async function tell(
  model: ResNet,
  data: Dataset,
  options: TrainOptions,
  directory: RunDirectory,
  args: Arguments,
  output: Output,
): Promise<void> {
  const show = trainingTeller(output);
  for await (const event of startRun(model, data, options, directory)) {
    show(event);
    if (args.json === true) output.json(event);
  }
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
  tellNotes(data.notes, output);
  return data;
}

async function makeModel(
  args: Arguments,
  strategy: Strategy,
  data: Dataset,
  signal: AbortSignal,
  output: Output,
): Promise<ResNet> {
  const model = await ResNet.create({
    classes: data.classes,
    head: strategy.head,
    ...given({
      arch: args.arch,
      weights: args.weights,
      device: args.device,
      seed: args.seed,
      signal,
      onProgress: (bytes: number, total: number | null) =>
        output.progress('download weights', megabytes(bytes), megabytes(total ?? 0), 'MB'),
    }),
  });
  output.endProgress();
  tellNotes(model.notes, output);
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
