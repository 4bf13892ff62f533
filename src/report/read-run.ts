import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ResnetTorchError } from '../errors.js';
import { fileError, systemCode } from '../files.js';
import { type BestMetric, DEFAULT_BEST_METRIC } from '../metrics/best.js';
import type { Note } from '../notes.js';
import type { BestEpoch, EpochEvent, TrainingEvent } from '../training/events.js';
import type { RunConfig } from '../training/run-config.js';

/** How a run ended. `unfinished`: it trains still, or was killed. `stopped`: by a callback or `patience`, with a result. */
export type RunStatus = 'finished' | 'stopped' | 'aborted' | 'failed' | 'unfinished';

/** What a run directory says of its run. */
export interface RunSummary {
  /** Absolute. */
  readonly path: string;
  readonly status: RunStatus;
  /** When it began, as ISO 8601; null where a version did not write it. */
  readonly created: string | null;
  /** `settings` of `config.json`, as that version wrote them. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly model: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly notes: readonly Note[];
  /** What the best epoch is chosen by. */
  readonly bestMetric: BestMetric;
  /** Epochs that were to be trained; null where a version did not write it. */
  readonly planned: number | null;
  /** Those that were trained and evaluated. */
  readonly epochs: readonly EpochSummary[];
  readonly best: BestEpoch | null;
  readonly last: BestEpoch | null;
  /** Of training and evaluating, over all epochs. */
  readonly seconds: number;
  /** In training, over all epochs; 0 of none. */
  readonly imagesPerSecond: number;
  /** Files that were left out. */
  readonly skipped: number;
  /** What a run that failed ended with; else null. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** An epoch of a run. */
export type EpochSummary = Pick<EpochEvent, 'epoch' | 'train' | 'val' | 'best' | 'seconds' | 'imagesPerSecond'>;

/**
 * Reads a run directory, of a run that has ended, goes on, was killed, or was made by an earlier version.
 *
 * @throws ResnetTorchError `ERR_CHECKPOINT` where there is no run, or one of its files is damaged, naming the line; `ERR_FILE`
 *   where they cannot be read. An event that was cut off at the end of its file is left out, and a note says so.
 */
export async function readRun(directory: string): Promise<RunSummary> {
  const path = resolve(directory);
  const { settings, model, data, versions, notes, created } = await readConfig(path);
  const { events, cutOff } = await readEvents(join(path, 'events.jsonl'));
  const epochs = events.filter((event): event is EpochEvent => event.type === 'epoch').map(summaryOf);
  const best = epochs.findLast((epoch) => epoch.best);
  const seconds = sum(epochs.map((epoch) => epoch.seconds.train + epoch.seconds.val));
  const trained = sum(epochs.map((epoch) => epoch.seconds.train));
  const end = events.at(-1);
  return {
    path,
    status: statusOf(end),
    created: created ?? null,
    settings: { ...settings },
    model: { ...model },
    data: { ...data },
    versions: versions ?? {},
    notes: [...(notes ?? []), ...notesIn(events), ...(cutOff ? [cutOffNote(path)] : [])],
    bestMetric: settings.bestMetric ?? DEFAULT_BEST_METRIC,
    planned: settings.epochs ?? null,
    epochs,
    best: best === undefined ? null : figuresOf(best),
    last: epochs.length === 0 ? null : figuresOf(epochs.at(-1) as EpochSummary),
    seconds,
    imagesPerSecond: trained === 0 ? 0 : sum(epochs.map((epoch) => epoch.train.images)) / trained,
    skipped: events.filter(({ type }) => type === 'skipped').length,
    error: end?.type === 'error' ? { code: end.code, message: end.message } : null,
  };
}

async function readConfig(path: string): Promise<Partial<RunConfig> & Pick<RunConfig, 'settings'>> {
  const file = join(path, 'config.json');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw fileError('read', file, error);
    throw damaged(`${path} holds no config.json: it is no run directory. Name one that \`train\` wrote (--out).`);
  });
  const config = parsed(text) as Partial<RunConfig> | null | undefined;
  if (config === undefined) throw damaged(`${file} is damaged: it is not JSON.`);
  if (config?.format !== 'resnet-torch run' || !isObject(config.settings)) {
    throw damaged(`${file} is not that of a run.`);
  }
  return config as RunConfig;
}

/** All events but those of steps. A run that was made and has told nothing yet has no file. */
async function readEvents(
  file: string,
): Promise<{ readonly events: readonly TrainingEvent[]; readonly cutOff: boolean }> {
  const events: TrainingEvent[] = [];
  let number = 0;
  let broken: number | null = null;
  try {
    for await (const line of linesOf(file)) {
      number++;
      if (line === '') continue;
      if (broken !== null) throw damaged(`${file} is damaged: line ${broken} is no event of a run.`);
      const event = parsed(line);
      if (!isEvent(event)) broken = number;
      else if (event.type !== 'step') events.push(event);
    }
  } catch (error) {
    if (error instanceof ResnetTorchError) throw error;
    if (systemCode(error) !== 'ENOENT') throw fileError('read', file, error);
  }
  return { events, cutOff: broken !== null };
}

/** One at a time: events of steps may be many. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest;
}

function isEvent(value: unknown): value is TrainingEvent {
  if (!isObject(value) || typeof value.type !== 'string') return false;
  if (value.type !== 'epoch') return true;
  const { epoch, train, val, seconds } = value;
  return typeof epoch === 'number' && isObject(train) && isObject(val) && isObject(seconds);
}

/** What ended the run last: one that goes on drops what was after its checkpoint. */
function statusOf(end: TrainingEvent | undefined): RunStatus {
  switch (end?.type) {
    case 'result':
      return end.stopped ? 'stopped' : 'finished';
    case 'aborted':
      return 'aborted';
    case 'error':
      return 'failed';
    default:
      return 'unfinished';
  }
}

function summaryOf({ epoch, train, val, best, seconds, imagesPerSecond }: EpochEvent): EpochSummary {
  // A version before did not count what it waited.
  return { epoch, train, val, best, seconds: { ...seconds, waiting: seconds.waiting ?? 0 }, imagesPerSecond };
}

function figuresOf({ epoch, val }: EpochSummary): BestEpoch {
  const { images: _, ...figures } = val;
  return { epoch, ...figures };
}

function notesIn(events: readonly TrainingEvent[]): readonly Note[] {
  return events.flatMap((event) => (event.type === 'note' ? [{ code: event.code, message: event.message }] : []));
}

function cutOffNote(path: string): Note {
  const message = `The last event in ${join(path, 'events.jsonl')} is cut off and left out: the run was killed, or writes just now`;
  return { code: 'event-cut-off', message };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function damaged(message: string): ResnetTorchError {
  return new ResnetTorchError('ERR_CHECKPOINT', message);
}
