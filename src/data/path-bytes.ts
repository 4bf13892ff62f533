import { isUtf8 } from 'node:buffer';

/**
 * Paths are strings, and file systems keep bytes, which need not be UTF-8. A byte that is none is kept in a string as
 * Python keeps it (`surrogateescape`, PEP 383): byte 0xE9 is the lone surrogate U+DCE9. So nothing is lost, JSON holds it
 * as `"\udce9"`, and Python's `os.fsencode` gives the same bytes back.
 */
const ESCAPE = 0xdc00;
const LONE = /[\uDC80-\uDCFF]/u;
const LONE_ALL = /[\uDC80-\uDCFF]/gu;

/** A name or path from the bytes that the file system has. `pathBytes` is its inverse. */
export function pathFromBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  let text = '';
  for (let at = 0; at < buffer.length; ) {
    const length = characterLength(buffer, at);
    text += length === 0 ? String.fromCharCode(ESCAPE + (buffer[at] ?? 0)) : buffer.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return text;
}

/** Bytes of the UTF-8 character at a position; 0 where there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/**
 * The bytes of a path of this package, for Node's own `fs`, which would write U+FFFD for what is not UTF-8.
 * `fs.readFile(pathBytes(file.path))` reads any file of a data set.
 */
export function pathBytes(path: string): Buffer {
  if (!LONE.test(path)) return Buffer.from(path);
  const parts: Buffer[] = [];
  let from = 0;
  for (const { index } of path.matchAll(LONE_ALL)) {
    parts.push(Buffer.from(path.slice(from, index)), Buffer.of(path.charCodeAt(index) - ESCAPE));
    from = index + 1;
  }
  return Buffer.concat([...parts, Buffer.from(path.slice(from))]);
}

/** What Node's `fs` is given: the path itself where it is text. */
export function systemPath(path: string): string | Buffer {
  return LONE.test(path) ? pathBytes(path) : path;
}

/** For a person: bytes that are not UTF-8 as `\xE9`, since no terminal shows a lone surrogate. */
export function showPath(text: string): string {
  return text.replace(LONE_ALL, (unit) => `\\x${(unit.charCodeAt(0) - ESCAPE).toString(16).toUpperCase()}`);
}
