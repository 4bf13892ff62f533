/**
 * The part of the zip format that `torch.save` uses: entries that are stored, not compressed, so that their bytes can be
 * mapped in place; zip64 included. Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
 */

import type { FileReader } from './file-reader.js';
import { formatError, printable } from './table.js';
import { CENTRAL_HEADER, END, END_64, LOCAL_HEADER, LOCATOR_64, SATURATED } from './zip-format.js';

const MAX_COMMENT = 0xffff;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;

export interface ZipEntry {
  readonly name: string;
  /** 0: stored. */
  readonly method: number;
  readonly encrypted: boolean;
  readonly storedSize: number;
  readonly size: number;
  readonly headerOffset: number;
}

/** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when the archive is truncated or broken. */
export async function readZipDirectory(file: FileReader): Promise<ReadonlyMap<string, ZipEntry>> {
  const { offset, bytes, count } = await findDirectory(file);
  if (bytes > MAX_DIRECTORY_BYTES)
    throw formatError(file.path, `its zip directory claims ${bytes} bytes, which is too many.`);
  const directory = await file.read(offset, bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const next = parseEntry(file.path, directory, at);
    // Two entries of one name would mean that readers may disagree on what the file holds.
    if (entries.has(next.entry.name))
      throw formatError(file.path, `its zip holds ${printable(next.entry.name)} twice.`);
    entries.set(next.entry.name, next.entry);
    at = next.end;
  }
  return entries;
}

/** Where a stored entry's bytes begin. The local header is read for this: its name and padding set the distance. */
export async function zipDataOffset(file: FileReader, entry: ZipEntry): Promise<number> {
  const shown = printable(entry.name);
  if (entry.encrypted)
    throw formatError(file.path, `its zip entry ${shown} is encrypted, which torch.save never does.`);
  if (entry.method !== 0 || entry.storedSize !== entry.size) {
    throw formatError(
      file.path,
      `its zip entry ${shown} is compressed; torch.save stores entries as they are. ` +
        'The file was packed again by another program: use the original, or load and save it again in Python.',
    );
  }
  const header = await file.read(entry.headerOffset, LOCAL_HEADER.bytes);
  if (header.readUInt32LE(0) !== LOCAL_HEADER.signature)
    throw broken(file.path, `the local header of ${shown} is not one`);
  const offset = entry.headerOffset + LOCAL_HEADER.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (offset + entry.size > file.size) throw broken(file.path, `${shown} reaches past the end of the file`);
  return offset;
}

function broken(path: string, fault: string) {
  return formatError(path, `its zip structure is broken (${fault}). Download or copy it again.`);
}

interface Directory {
  readonly offset: number;
  readonly bytes: number;
  readonly count: number;
}

async function findDirectory(file: FileReader): Promise<Directory> {
  const tailOffset = Math.max(0, file.size - END.bytes - MAX_COMMENT);
  const tail = await file.read(tailOffset, file.size - tailOffset);
  for (let at = tail.length - END.bytes; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) !== END.signature) continue;
    if (at + END.bytes + tail.readUInt16LE(at + 20) !== tail.length) continue;
    const wide = await findDirectory64(file, tailOffset + at);
    const directory = wide ?? {
      offset: tail.readUInt32LE(at + 16),
      bytes: tail.readUInt32LE(at + 12),
      count: tail.readUInt16LE(at + 10),
    };
    if (directory.offset + directory.bytes > tailOffset + at)
      throw broken(file.path, 'the directory reaches past its end record');
    return directory;
  }
  throw formatError(
    file.path,
    'is truncated: it begins as a zip archive, as torch.save writes, but the directory at its end is missing. Download or copy it again.',
  );
}

async function findDirectory64(file: FileReader, endOffset: number): Promise<Directory | null> {
  if (endOffset < LOCATOR_64.bytes) return null;
  const locator = await file.read(endOffset - LOCATOR_64.bytes, LOCATOR_64.bytes);
  if (locator.readUInt32LE(0) !== LOCATOR_64.signature) return null;
  const record = await file.read(safeUInt64(file.path, locator, 8), END_64.bytes);
  if (record.readUInt32LE(0) !== END_64.signature) throw broken(file.path, 'the zip64 end record is not one');
  return {
    offset: safeUInt64(file.path, record, 48),
    bytes: safeUInt64(file.path, record, 40),
    count: safeUInt64(file.path, record, 32),
  };
}

function safeUInt64(path: string, buffer: Buffer, at: number): number {
  const value = buffer.readBigUInt64LE(at);
  if (value > Number.MAX_SAFE_INTEGER) throw broken(path, `a 64-bit field holds ${value}`);
  return Number(value);
}

function parseEntry(path: string, directory: Buffer, at: number): { readonly entry: ZipEntry; readonly end: number } {
  if (at + CENTRAL_HEADER.bytes > directory.length || directory.readUInt32LE(at) !== CENTRAL_HEADER.signature) {
    throw broken(path, 'the directory ends early');
  }
  const nameEnd = at + CENTRAL_HEADER.bytes + directory.readUInt16LE(at + 28);
  const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
  const end = extraEnd + directory.readUInt16LE(at + 32);
  if (end > directory.length) throw broken(path, 'the directory ends early');
  const [size, storedSize, headerOffset] = widen(path, directory.subarray(nameEnd, extraEnd), [
    directory.readUInt32LE(at + 24),
    directory.readUInt32LE(at + 20),
    directory.readUInt32LE(at + 42),
  ]);
  const entry: ZipEntry = {
    name: directory.toString('utf8', at + CENTRAL_HEADER.bytes, nameEnd),
    method: directory.readUInt16LE(at + 10),
    encrypted: (directory.readUInt16LE(at + 8) & 1) !== 0,
    size,
    storedSize,
    headerOffset,
  };
  return { entry, end };
}

/** Replaces saturated 32-bit fields by those of the zip64 extra field, which holds only these, in this order. */
function widen(
  path: string,
  extra: Buffer,
  narrow: readonly [number, number, number],
): readonly [number, number, number] {
  if (!narrow.includes(SATURATED)) return narrow;
  for (let at = 0; at + 4 <= extra.length; ) {
    const bodyEnd = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 0x0001 && bodyEnd <= extra.length) {
      let field = at + 4;
      const take = (value: number): number => {
        if (value !== SATURATED) return value;
        if (field + 8 > bodyEnd) throw broken(path, 'a zip64 field is missing');
        field += 8;
        return safeUInt64(path, extra, field - 8);
      };
      return [take(narrow[0]), take(narrow[1]), take(narrow[2])];
    }
    at = bodyEnd;
  }
  throw broken(path, 'a zip64 field is missing');
}
