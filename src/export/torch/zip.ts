/**
 * A zip archive as `torch.save` lays it out: entries are stored, not compressed, and begin at multiples of 64 bytes, so
 * that readers can map them in place. Source: PKWARE APPNOTE 6.3.10, section 4.3, and caffe2/serialize/inline_container.cc
 * of PyTorch.
 */

import { crc32 } from 'node:zlib';
import { CENTRAL_HEADER, END, LOCAL_HEADER, SATURATED } from '../../model/weights/zip-format.js';

const ALIGNMENT = 64;
/** The first of January 1980, the earliest date that the format knows: the same model makes the same file. */
const DATE = 0x0021;

/** Without the records of zip64, offsets and sizes end here. */
export const MOST_ZIP_BYTES = SATURATED;

export interface ZipMember {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Written {
  readonly name: Buffer;
  readonly size: number;
  readonly crc: number;
  readonly offset: number;
}

/** The archive in parts. Its members, 65,535 at most, take less than 4 GiB together. */
export async function* zipArchive(members: AsyncIterable<ZipMember>): AsyncGenerator<Uint8Array> {
  const written: Written[] = [];
  let offset = 0;
  for await (const { name, bytes } of members) {
    const member = { name: Buffer.from(name), size: bytes.byteLength, crc: crc32(bytes), offset };
    const header = localHeader(member);
    yield header;
    yield bytes;
    written.push(member);
    offset += header.length + member.size;
  }
  const directory = Buffer.concat(written.map(centralHeader));
  yield directory;
  yield endRecord(written.length, directory.length, offset);
}

/** The most bytes that an archive of these members takes. */
export function zipBytesAtMost(members: readonly { readonly name: string; readonly bytes: number }[]): number {
  const each = LOCAL_HEADER.bytes + 4 + ALIGNMENT + CENTRAL_HEADER.bytes;
  return members.reduce((sum, { name, bytes }) => sum + each + 2 * Buffer.byteLength(name) + bytes, END.bytes);
}

function localHeader(member: Written): Buffer {
  const dataStart = member.offset + LOCAL_HEADER.bytes + member.name.length + 4;
  const padding = (ALIGNMENT - (dataStart % ALIGNMENT)) % ALIGNMENT;
  const extra = Buffer.alloc(4 + padding, 'Z');
  extra.write('FB', 'latin1');
  extra.writeUInt16LE(padding, 2);
  const header = Buffer.alloc(LOCAL_HEADER.bytes);
  header.writeUInt32LE(LOCAL_HEADER.signature, 0);
  writeCommon(header, 4, member);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, member.name, extra]);
}

function centralHeader(member: Written): Buffer {
  const header = Buffer.alloc(CENTRAL_HEADER.bytes);
  header.writeUInt32LE(CENTRAL_HEADER.signature, 0);
  header.writeUInt16LE(20, 4);
  writeCommon(header, 6, member);
  header.writeUInt32LE(member.offset, 42);
  return Buffer.concat([header, member.name]);
}

/** Version needed, flags, method, time, date, hash, both sizes, length of the name: 24 bytes that both headers have. */
function writeCommon(header: Buffer, at: number, { name, size, crc }: Written): void {
  header.writeUInt16LE(20, at);
  header.writeUInt16LE(DATE, at + 8);
  header.writeUInt32LE(crc, at + 10);
  header.writeUInt32LE(size, at + 14);
  header.writeUInt32LE(size, at + 18);
  header.writeUInt16LE(name.length, at + 22);
}

function endRecord(count: number, directoryBytes: number, directoryOffset: number): Buffer {
  const record = Buffer.alloc(END.bytes);
  record.writeUInt32LE(END.signature, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(directoryBytes, 12);
  record.writeUInt32LE(directoryOffset, 16);
  return record;
}
