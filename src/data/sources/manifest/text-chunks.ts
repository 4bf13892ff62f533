import { createReadStream } from 'node:fs';
import { isError } from '../../../kinds.js';
import { datasetError } from '../../dataset-error.js';
import { systemPath } from '../../path-bytes.js';

/** Bytes at a time: of short rows more than a thousand. */
const CHUNK_BYTES = 16 * 1024;

/** The bytes of a text file, a part at a time, so that no part takes long. */
export async function* chunksOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  const stream = createReadStream(systemPath(path), { highWaterMark: CHUNK_BYTES });
  try {
    let isFirst = true;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield isFirst ? withoutMark(path, chunk) : chunk;
      isFirst = false;
    }
  } catch (cause) {
    throw isError(cause) && 'syscall' in cause ? datasetError(explainUnreadable(path, cause), cause) : cause;
  } finally {
    stream.destroy();
  }
}

function explainUnreadable(path: string, cause: Error): string {
  if ('code' in cause && cause.code === 'ENOENT') return `There is no file ${path}.`;
  return `The list ${path} cannot be read: ${cause.message}`;
}

function withoutMark(path: string, chunk: Buffer): Buffer {
  const [a, b, c] = chunk;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw datasetError(`${path} is text in UTF-16. Save it as UTF-8.`);
  }
  return a === 0xef && b === 0xbb && c === 0xbf ? chunk.subarray(3) : chunk;
}
