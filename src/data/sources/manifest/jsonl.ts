import { extname } from 'node:path';
import { checkOptions } from '../../../options.js';
import { datasetError } from '../../dataset-error.js';
import { pathFromBytes } from '../../path-bytes.js';
import type { Source } from '../listing.js';
import { listManifest, type ManifestRow } from './manifest.js';
import { chunksOf } from './text-chunks.js';

/** A file with a line of JSON an image: `{"path": "ants/1.jpg", "label": "ant"}`, and `"split"` if it has parts. */
export const jsonl: Source = {
  name: 'jsonl',
  opens: (path, isFolder) => !isFolder && /^\.(jsonl|ndjson)$/i.test(extname(path)),
  list: (path, request) => listManifest(path, rowsOf(path), [], request),
};

const LF = 0x0a;
/** More than any path and label. */
const MOST_BYTES = 1 << 20;

async function* rowsOf(list: string): AsyncGenerator<ManifestRow, void, undefined> {
  let first: ManifestRow | null = null;
  for await (const { line, text } of linesOf(list)) {
    if (text.trim() === '') continue;
    const row = readRow(list, line, text);
    first ??= row;
    if ((row.split === null) !== (first.split === null)) {
      throw datasetError(
        `Line ${line} of ${list} has ${row.split === null ? 'no' : 'a'} split, and line ${first.line} has ${first.split === null ? 'none' : 'one'}: ` +
          'every line names its part, or none does.',
      );
    }
    yield row;
  }
}

function readRow(list: string, line: number, text: string): ManifestRow {
  const fault = (what: string) => datasetError(`Line ${line} of ${list} ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fault(`is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    checkOptions(value, ['path', 'label', 'split'], `line ${line}`);
  } catch {
    throw fault('must be an object with path, label and, if there are parts, split, and no more.');
  }
  const { path, label, split } = value as Readonly<Record<string, unknown>>;
  if (typeof path !== 'string' || typeof label !== 'string' || !(split === undefined || typeof split === 'string')) {
    throw fault('must have path, label and split as strings: labels are names of classes.');
  }
  return { line, path, label, split: split ?? null };
}

async function* linesOf(path: string): AsyncGenerator<{ line: number; text: string }, void, undefined> {
  let line = 1;
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(path)) {
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      yield { line, text: pathFromBytes(Buffer.concat([...rest, chunk.subarray(from, at)])) };
      line++;
      [rest, bytes, from] = [[], 0, at + 1];
    }
    rest.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > MOST_BYTES) throw datasetError(`Line ${line} of ${path} is longer than 1 MiB.`);
  }
  if (bytes > 0) yield { line, text: pathFromBytes(Buffer.concat(rest)) };
}
