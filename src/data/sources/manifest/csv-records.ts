import { datasetError } from '../../dataset-error.js';
import { pathFromBytes } from '../../path-bytes.js';
import { chunksOf } from './text-chunks.js';

/** A record of a CSV file. */
export interface CsvRecord {
  /** Where it begins, from 1: one with line breaks in quotes takes several. */
  readonly line: number;
  readonly fields: readonly string[];
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const LF = 0x0a;
const CR = 0x0d;
/** More than any path and label; what is no CSV file often has no line breaks at all. */
const MOST_BYTES = 1 << 20;

/**
 * The records of a CSV file after RFC 4180: fields with commas, quotes or line breaks are quoted, a quote in quotes is
 * doubled, lines end with CRLF or LF. A byte order mark and empty lines do not count. Bytes that are no UTF-8 are kept as in
 * paths.
 *
 * @throws ResnetTorchError `ERR_DATASET` naming the line
 */
export async function* readCsv(path: string): AsyncGenerator<CsvRecord, void, undefined> {
  const parser = new CsvParser(path);
  for await (const chunk of chunksOf(path)) yield* parser.push(chunk);
  yield* parser.end();
}

const EMPTY = Buffer.alloc(0);

/** What the bytes before the next one were. */
type State = 'field start' | 'unquoted' | 'quoted' | 'quote in quotes';

class CsvParser {
  readonly #path: string;
  #state: State = 'field start';
  /** Bytes of the field at hand that lie in chunks before this one. */
  #parts: Buffer[] = [];
  #fields: string[] = [];
  #line = 1;
  #recordLine = 1;
  #recordBytes = 0;
  #quoteLine = 1;
  #afterCr = false;

  constructor(path: string) {
    this.#path = path;
  }

  push(chunk: Buffer): readonly CsvRecord[] {
    const records: CsvRecord[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === 0) throw this.#fault('holds a zero byte, so it is no text');
      if (++this.#recordBytes > MOST_BYTES) throw this.#fault('begins a record of more than 1 MiB', this.#recordLine);
      const isPair = byte === LF && this.#afterCr;
      this.#afterCr = byte === CR && this.#state !== 'quoted';
      if (isPair) {
        from = at + 1;
        continue;
      }
      if (this.#state === 'quoted') {
        if (byte === LF) this.#line++;
        if (byte !== QUOTE) continue;
        this.#keep(chunk, from, at);
        this.#state = 'quote in quotes';
      } else if (byte === COMMA || byte === LF || byte === CR) {
        if (this.#state !== 'quote in quotes') this.#keep(chunk, from, at);
        this.#endField();
        from = at + 1;
        if (byte !== COMMA) this.#endRecord(records);
      } else if (this.#state === 'quote in quotes') {
        if (byte !== QUOTE) throw this.#fault('has text behind a closing quote: a quote in quotes is doubled');
        // The second of the pair is the one that is kept.
        from = at;
        this.#state = 'quoted';
      } else if (byte === QUOTE) {
        if (this.#state === 'unquoted') throw this.#fault('has a quote in a field that does not begin with one');
        this.#state = 'quoted';
        this.#quoteLine = this.#line;
        from = at + 1;
      } else {
        this.#state = 'unquoted';
      }
    }
    if (this.#state !== 'quote in quotes') this.#keep(chunk, from, chunk.length);
    return records;
  }

  end(): readonly CsvRecord[] {
    if (this.#state === 'quoted') throw this.#fault('opens a quote that is not closed', this.#quoteLine);
    const records: CsvRecord[] = [];
    if (this.#state === 'field start' && this.#fields.length === 0) return records;
    this.#endField();
    this.#endRecord(records);
    return records;
  }

  /** Chunks are not used again by whoever made them. */
  #keep(chunk: Buffer, from: number, to: number): void {
    if (to > from) this.#parts.push(chunk.subarray(from, to));
  }

  #endField(): void {
    const [only = EMPTY] = this.#parts;
    this.#fields.push(pathFromBytes(this.#parts.length < 2 ? only : Buffer.concat(this.#parts)));
    this.#parts = [];
    this.#state = 'field start';
  }

  #endRecord(records: CsvRecord[]): void {
    const isEmpty = this.#fields.length === 1 && this.#fields[0] === '';
    if (!isEmpty) records.push({ line: this.#recordLine, fields: this.#fields });
    this.#fields = [];
    this.#line++;
    this.#recordLine = this.#line;
    this.#recordBytes = 0;
  }

  #fault(what: string, line = this.#line): Error {
    return datasetError(`Line ${line} of ${this.#path} ${what}.`);
  }
}
