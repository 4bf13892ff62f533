/** The central directory of a zip archive (wheels are zips too), within bounds: what it declares is not believed blindly. */

import { open } from 'node:fs/promises';
import { SetupError } from './errors.mjs';

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {number} flags
 * @property {number} method 0 stored, 8 deflated
 * @property {number} crc
 * @property {number} compressedSize
 * @property {number} size
 * @property {number} offset of the local header
 * @property {number} mode Unix mode, 0 where the archive does not say
 */

/** @typedef {import('node:fs/promises').FileHandle} FileHandle */

/** Bounds of what an archive may declare; the largest wheel of torch has 20,000 members of 4 GB. */
export const bounds = { directoryBytes: 64e6, members: 200_000, unpackedBytes: 32e9 };

/**
 * The members of an archive, from its central directory.
 *
 * @param {string} archive
 * @param {typeof bounds} [limits]
 * @returns {Promise<Member[]>}
 */
export async function listZip(archive, limits = bounds) {
  const file = await open(archive);
  try {
    const { size } = await file.stat();
    const { offset, length, count } = await findDirectory(file, size, archive);
    if (length > limits.directoryBytes) throw tooLarge(archive, `a directory of ${length} bytes`);
    if (count > limits.members) throw tooLarge(archive, `${count} members`);
    if (!(offset >= 0 && offset + length <= size)) throw damaged(archive, 'where its directory lies');
    const members = parseDirectory(await read(file, offset, length), archive);
    if (members.length !== count) throw damaged(archive, `the number of members (${members.length})`);
    checkSizes(members, offset, limits, archive);
    return members;
  } finally {
    await file.close();
  }
}

/**
 * Members that share bytes unpack to more than any archive of that length could hold.
 *
 * @param {readonly Member[]} members
 * @param {number} end where the members' bytes end
 * @param {typeof bounds} limits
 * @param {string} archive
 */
function checkSizes(members, end, limits, archive) {
  let packed = 0;
  let unpacked = 0;
  for (const { name, size, compressedSize, offset } of members) {
    const whole = [size, compressedSize, offset].every((value) => Number.isSafeInteger(value) && value >= 0);
    if (!whole || offset + compressedSize > end) throw damaged(archive, name);
    packed += compressedSize;
    unpacked += size;
  }
  if (packed > end) throw damaged(archive, 'the sum of its sizes');
  if (unpacked > limits.unpackedBytes) throw tooLarge(archive, `${unpacked} bytes unpacked`);
}

/**
 * @param {FileHandle} file
 * @param {number} size
 * @param {string} archive
 */
async function findDirectory(file, size, archive) {
  const length = Math.min(size, 0xffff + 22);
  const end = await read(file, size - length, length);
  for (let at = end.length - 22; at >= 0; at--) {
    if (end.readUInt32LE(at) !== 0x06054b50) continue;
    const directory = {
      offset: end.readUInt32LE(at + 16),
      length: end.readUInt32LE(at + 12),
      count: end.readUInt16LE(at + 10),
    };
    if (directory.offset !== 0xffffffff && directory.length !== 0xffffffff && directory.count !== 0xffff)
      return directory;
    const locator = await read(file, size - length + at - 20, 20);
    if (locator.readUInt32LE(0) !== 0x07064b50) return directory;
    const record = await read(file, Number(locator.readBigUInt64LE(8)), 56);
    if (record.readUInt32LE(0) !== 0x06064b50) break;
    return {
      offset: Number(record.readBigUInt64LE(48)),
      length: Number(record.readBigUInt64LE(40)),
      count: Number(record.readBigUInt64LE(32)),
    };
  }
  throw new SetupError(`${archive} is not a zip archive, or was cut short`);
}

/**
 * @param {Buffer} directory
 * @param {string} archive
 * @returns {Member[]}
 */
function parseDirectory(directory, archive) {
  const members = [];
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
      throw damaged(archive, 'its directory');
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const fields = wideFields(
      extra,
      [directory.readUInt32LE(at + 24), directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 42)],
      () => damaged(archive, name),
    );
    const [size = 0, compressedSize = 0, offset = 0] = fields;
    members.push({
      name,
      flags: directory.readUInt16LE(at + 8),
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      compressedSize,
      size,
      offset,
      // The upper half holds a Unix mode where the archive was made on Unix (3).
      mode: directory.readUInt8(at + 5) === 3 ? directory.readUInt32LE(at + 38) >>> 16 : 0,
    });
    at += 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
  }
  return members;
}

/**
 * Fields of all ones are in the zip64 extra field instead, in their order.
 *
 * @param {Buffer} extra
 * @param {number[]} fields
 * @param {() => Error} fault
 */
function wideFields(extra, fields, fault) {
  if (!fields.includes(0xffffffff)) return fields;
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let next = at + 4;
    return fields.map((value) => {
      if (value !== 0xffffffff) return value;
      next += 8;
      if (next > extra.length) throw fault();
      return Number(extra.readBigUInt64LE(next - 8));
    });
  }
  return fields;
}

/** @param {FileHandle} file @param {number} position @param {number} length */
export async function read(file, position, length) {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, Math.max(0, position));
  if (bytesRead !== length) throw new SetupError('A zip archive ended early');
  return buffer;
}

/** @param {string} archive @param {string} what */
export function damaged(archive, what) {
  return new SetupError(`${archive} is damaged: ${what} is not what its directory says`);
}

/** @param {string} archive @param {string} what */
function tooLarge(archive, what) {
  return new SetupError(`${archive} declares ${what}: no archive of libtorch is that large`);
}
