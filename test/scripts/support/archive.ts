import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { crc32, deflateRawSync } from 'node:zlib';

export interface ArchiveEntry {
  readonly name: string;
  /** The bytes, or the file that holds them: a file is stored, bytes are deflated. */
  readonly content: Uint8Array | { readonly file: string };
  /** Type and permissions as Unix has them; 0o120777 is a link, whose content is its target. */
  readonly mode?: number;
  /** What the directory says in place of what is true. */
  readonly declared?: {
    readonly size?: number;
    readonly compressed?: number;
    readonly name?: string;
    readonly offset?: number;
  };
}

interface Header {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
}

/** Writes a zip archive whose hashes are right, without holding it in memory. */
export async function writeArchive(path: string, entries: readonly ArchiveEntry[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    const directory: Buffer[] = [];
    let offset = 0;
    for (const { name, content, mode = 0, declared = {} } of entries) {
      const at = offset;
      const { header, body } =
        content instanceof Uint8Array ? deflated(name, content) : await stored(name, content.file);
      offset += await append(file, localHeader(header));
      offset += body === null ? 0 : await append(file, body);
      if (!(content instanceof Uint8Array)) {
        for await (const chunk of createReadStream(content.file, { highWaterMark: 1 << 20 })) {
          offset += await append(file, chunk as Buffer);
        }
      }
      directory.push(centralHeader({ ...header, ...declared }, declared.offset ?? at, mode));
    }
    const records = Buffer.concat(directory);
    await append(file, records);
    await append(file, endRecord(entries.length, records.length, offset));
  } finally {
    await file.close();
  }
}

async function append(file: FileHandle, bytes: Uint8Array): Promise<number> {
  await file.writeFile(bytes);
  return bytes.length;
}

function deflated(name: string, bytes: Uint8Array): { header: Header; body: Buffer } {
  const body = deflateRawSync(bytes, { level: 1 });
  return { header: { name, method: 8, crc: crc32(bytes), compressed: body.length, size: bytes.length }, body };
}

async function stored(name: string, file: string): Promise<{ header: Header; body: null }> {
  const { size } = await stat(file);
  let crc = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) crc = crc32(chunk as Buffer, crc);
  return { header: { name, method: 0, crc, compressed: size, size }, body: null };
}

function localHeader({ name, method, crc, compressed, size }: Header): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(compressed, 18);
  header.writeUInt32LE(size, 22);
  header.writeUInt16LE(Buffer.byteLength(name), 26);
  return Buffer.concat([header, Buffer.from(name)]);
}

function centralHeader({ name, method, crc, compressed, size }: Header, offset: number, mode: number): Buffer {
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt8(mode === 0 ? 0 : 3, 5);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(method, 10);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(compressed, 20);
  header.writeUInt32LE(size, 24);
  header.writeUInt16LE(Buffer.byteLength(name), 28);
  header.writeUInt32LE(mode * 0x10000, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, Buffer.from(name)]);
}

function endRecord(count: number, length: number, offset: number): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(length, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}
