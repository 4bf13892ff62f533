import { join } from 'node:path';
import type { ArgumentsCamelCase } from 'yargs';
import { type Dataset, openDataset } from '../data/dataset.js';
import type { Device } from '../model/device.js';
import { ResNet50 } from '../model/resnet50.js';
import { native } from '../native/load.js';
import { RunDirectory } from '../training/run-directory.js';
import type { Strategy } from '../training/strategies.js';
import { train } from '../training/train.js';
import type { TrainArguments } from './commands/train.js';
import { given } from './given.js';
import { createOutput, type Output } from './output.js';
import { strategyFromArguments } from './plan.js';
import { showEvent } from './training-output.js';

type Arguments = ArgumentsCamelCase<TrainArguments>;

/** `resnet-torch train`: opens the data, makes the model, trains, and tells what happens. */
export async function runTraining(args: Arguments, signal: AbortSignal): Promise<void> {
  const output = createOutput({ json: args.json === true });
  const strategy = strategyFromArguments(args);
  const out = args.out ?? defaultOut(new Date(), strategy.name);
  // Before the images are read and the weights are fetched, which may take long.
  await new RunDirectory(out).check(args.overwrite === true);
  if (args.threads !== undefined) native().setThreads(args.threads);
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
      precision: args.precision,
      skipCorrupt: args.skipCorrupt,
      signal,
    }),
  });
  for await (const event of run) {
    showEvent(event, output);
    if (args.json === true) output.json(event);
  }
}

async function openData(args: Arguments, signal: AbortSignal, output: Output): Promise<Dataset> {
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
      device: args.device as Device | undefined,
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
