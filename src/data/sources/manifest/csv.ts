import { extname } from 'node:path';
import type { Note } from '../../../notes.js';
import { datasetError } from '../../dataset-error.js';
import { quoted } from '../../quoted.js';
import type { Listing, ListRequest, Source } from '../listing.js';
import { type CsvRecord, readCsv } from './csv-records.js';
import { listManifest, type ManifestRow } from './manifest.js';

/** A CSV file with a row an image: the columns `path`, `label` and, if it has parts, `split`, named in its first line. */
export const csv: Source = {
  name: 'csv',
  opens: (path, isFolder) => !isFolder && extname(path).toLowerCase() === '.csv',
  list: listCsv,
};

async function listCsv(path: string, request: ListRequest): Promise<Listing> {
  const records = readCsv(path);
  try {
    const first = await records.next();
    if (first.done === true)
      throw datasetError(`${path} is empty. Its first line names the columns: path,label or path,label,split`);
    const columns = columnsOf(path, first.value);
    return await listManifest(path, rowsOf(path, records, columns), notesOn(path, columns), request);
  } finally {
    await records.return();
  }
}

/** Where in a record the fields are. */
interface Columns {
  readonly count: number;
  readonly path: number;
  readonly label: number;
  /** −1 where there is none. */
  readonly split: number;
  /** Names of columns that mean nothing here. */
  readonly others: readonly string[];
}

function columnsOf(list: string, { line, fields }: CsvRecord): Columns {
  const names = fields.map((field) => field.trim().toLowerCase());
  const known = ['path', 'label', 'split'];
  const [path = -1, label = -1, split = -1] = known.map((name) => names.indexOf(name));
  const missing = known.slice(0, 2).filter((name) => !names.includes(name));
  if (missing.length > 0) {
    const shown = fields.length === 1 && /[;\t]/.test(fields[0] ?? '') ? ' Fields are separated by commas.' : '';
    throw datasetError(
      `Line ${line} of ${list} must name the columns path and label, and may name split; it lacks ${quoted(missing)} ` +
        `and has ${quoted(fields)}.${shown}`,
    );
  }
  const twice = known.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (twice !== undefined) throw datasetError(`Line ${line} of ${list} names the column ${twice} twice.`);
  return { count: fields.length, path, label, split, others: fields.filter((_, i) => !known.includes(names[i] ?? '')) };
}

function notesOn(list: string, { others }: Columns): readonly Note[] {
  if (others.length === 0) return [];
  const columns = others.length === 1 ? '1 column' : `${others.length} columns`;
  return [{ code: 'columns-not-read', message: `Not read: ${columns} of ${list} (${quoted(others)})` }];
}

async function* rowsOf(
  list: string,
  records: AsyncIterable<CsvRecord>,
  { count, path, label, split }: Columns,
): AsyncGenerator<ManifestRow, void, undefined> {
  for await (const { line, fields } of records) {
    if (fields.length !== count) {
      throw datasetError(
        `Line ${line} of ${list} has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'}, and there are ${count} columns. ` +
          'A field that holds a comma is put in quotes.',
      );
    }
    yield {
      line,
      path: fields[path] ?? '',
      label: fields[label] ?? '',
      split: split === -1 ? null : (fields[split] ?? ''),
    };
  }
}
