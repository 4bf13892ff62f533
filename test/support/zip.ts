export interface ZipMember {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** 0 stored (the default), 8 deflated. The bytes are written as they are. */
  readonly method?: number;
  readonly flags?: number;
  /** Padding in the local header's extra field, as `torch.save` aligns records. */
  readonly padding?: number;
}

export interface ZipLayout {
  /** Saturate the 32-bit fields and write the zip64 records. */
  readonly zip64?: boolean;
  readonly comment?: string;
}

/** A zip archive. Hashes are left zero: nothing here reads them. */
export function zipBytes(members: readonly ZipMember[], layout: ZipLayout = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  const push = (part: Buffer): void => {
    parts.push(part);
    offset += part.length;
  };
  for (const member of members) {
    directory.push(centralHeader(member, offset, layout.zip64 === true));
    push(localHeader(member));
    push(Buffer.from(member.bytes));
  }
  const start = offset;
  for (const header of directory) push(header);
  const size = offset - start;
  if (layout.zip64) for (const record of endRecords64(members.length, size, start, offset)) push(record);
  push(endRecord(members.length, size, start, layout));
  return Buffer.concat(parts);
}

function localHeader({ name, bytes, method = 0, flags = 0, padding = 0 }: ZipMember): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(bytes.length, 18);
  header.writeUInt32LE(bytes.length, 22);
  header.writeUInt16LE(Buffer.byteLength(name), 26);
  header.writeUInt16LE(padding, 28);
  return Buffer.concat([header, Buffer.from(name), Buffer.alloc(padding, 'Z')]);
}

function centralHeader({ name, bytes, method = 0, flags = 0 }: ZipMember, offset: number, zip64: boolean): Buffer {
  const header = Buffer.alloc(46);
  const extra = zip64 ? extra64([bytes.length, bytes.length, offset]) : Buffer.alloc(0);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(flags, 8);
  header.writeUInt16LE(method, 10);
  header.writeUInt32LE(zip64 ? 0xffffffff : bytes.length, 20);
  header.writeUInt32LE(zip64 ? 0xffffffff : bytes.length, 24);
  header.writeUInt16LE(Buffer.byteLength(name), 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(zip64 ? 0xffffffff : offset, 42);
  return Buffer.concat([header, Buffer.from(name), extra]);
}

function extra64(fields: readonly number[]): Buffer {
  // An unknown field comes first: a reader has to walk the list.
  const extra = Buffer.alloc(6 + 4 + 8 * fields.length);
  extra.writeUInt16LE(0x9999, 0);
  extra.writeUInt16LE(2, 2);
  extra.writeUInt16LE(0x0001, 6);
  extra.writeUInt16LE(8 * fields.length, 8);
  for (const [index, field] of fields.entries()) extra.writeBigUInt64LE(BigInt(field), 10 + 8 * index);
  return extra;
}

function endRecords64(count: number, size: number, start: number, at: number): readonly Buffer[] {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at), 8);
  locator.writeUInt32LE(1, 16);
  return [record, locator];
}

function endRecord(count: number, size: number, start: number, { zip64 = false, comment = '' }: ZipLayout): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(zip64 ? 0xffff : count, 8);
  record.writeUInt16LE(zip64 ? 0xffff : count, 10);
  record.writeUInt32LE(zip64 ? 0xffffffff : size, 12);
  record.writeUInt32LE(zip64 ? 0xffffffff : start, 16);
  record.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([record, Buffer.from(comment)]);
}
