import { once } from 'node:events';
import { showPath } from '../data/path-bytes.js';
import type { FailedPrediction, Prediction } from '../inference/prediction.js';
import type { Note } from '../notes.js';
import { csvRow } from './csv.js';
import type { Output } from './output.js';
import { percent } from './table.js';

/** What `predict` says of images, one after the other. */
export type Entry = Prediction | FailedPrediction;

/** What is said behind them. */
export interface Ending {
  readonly notes: readonly Note[];
  /** What ended the command before its time. */
  readonly error?: { readonly code: string; readonly message: string };
}

export interface PredictionsWriter {
  /** Resolves when standard output has room for more. */
  entry(entry: Entry): Promise<void>;
  end(ending: Ending): Promise<void>;
}

/** For people: a line an image. What failed is said on standard error, by the command. */
export function lines(output: Output): PredictionsWriter {
  return {
    async entry(entry) {
      if ('error' in entry) return;
      const likeliest = entry.predictions.map(({ label, probability }) => `${label} ${percent(probability)}`);
      output.print(`${entry.file}: ${likeliest.join(', ')}`);
      await room();
    },
    async end() {},
  };
}

/** A row a class, or a row with the reason for an image that failed. */
export function csv(output: Output): PredictionsWriter {
  let head = csvRow(['file', 'rank', 'label', 'index', 'probability', 'error']);
  const write = async (rows: string): Promise<void> => {
    await print(output, head + rows);
    head = '';
  };
  return {
    entry: (entry) => write(rowsOf(entry)),
    end: () => write(''),
  };
}

function rowsOf(entry: Entry): string {
  const file = showPath(entry.file ?? '');
  if ('error' in entry) return csvRow([file, '', '', '', '', showPath(entry.error.message)]);
  const rows = entry.predictions.map(({ label, index, probability }, rank) =>
    csvRow([file, rank + 1, label, index, probability, '']),
  );
  return rows.join('');
}

/** One JSON object, a line an image, which is whole however the command ends: `{ images, notes }`, and `error` at a failure. */
export function json(output: Output): PredictionsWriter {
  let before = '{"images":[\n';
  return {
    async entry(entry) {
      const { file } = entry;
      const value =
        'error' in entry ? { file, error: { code: entry.error.code, message: entry.error.message } } : entry;
      await print(output, `${before}${JSON.stringify(value)}`);
      before = ',\n';
    },
    async end(ending) {
      const open = before === ',\n' ? '\n' : before;
      await print(output, `${open}],${JSON.stringify(ending).slice(1)}\n`);
    },
  };
}

async function print(output: Output, text: string): Promise<void> {
  // A bar on the same terminal is in the way.
  if (process.stdout.isTTY) output.endProgress();
  process.stdout.write(text);
  await room();
}

/** A reader that is slower than the network must not make a heap of what it has not read. */
async function room(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
}
