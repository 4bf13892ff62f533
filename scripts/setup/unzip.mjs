/** A reader of zip archives (wheels are zips too) that checks the CRC-32 of every member; nothing need be installed for it. */

import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, open, symlink } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { SetupError } from './errors.mjs';

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {number} method 0 stored, 8 deflated
 * @property {number} crc
 * @property {number} compressedSize
 * @property {number} size
 * @property {number} offset of the local header
 * @property {number} mode Unix mode, 0 where the archive does not say
 */

/**
 * The members of an archive, from its central directory.
 *
 * @param {string} archive
 * @returns {Promise<Member[]>}
 */
export async function listZip(archive) {
  const file = await open(archive);
  try {
    const { size } = await file.stat();
    const { offset, length } = await findDirectory(file, size, archive);
    const directory = await read(file, offset, length);
    return parseDirectory(directory, archive);
  } finally {
    await file.close();
  }
}

/**
 * Extracts the members that `place` gives a path for, below `folder`.
 *
 * @param {string} archive
 * @param {string} folder
 * @param {(name: string) => string | null} place
 * @param {(bytes: number) => void} [onBytes] called with the compressed bytes that were read
 */
export async function unzip(archive, folder, place, onBytes = () => {}) {
  const members = await listZip(archive);
  const file = await open(archive);
  const folders = new Set();
  let extracted = 0;
  try {
    for (const member of members) {
      const path = member.name.endsWith('/') ? null : place(member.name);
      if (path === null) {
        onBytes(member.compressedSize);
        continue;
      }
      const target = join(folder, safePath(path, archive));
      if (!folders.has(dirname(target))) await mkdir(dirname(target), { recursive: true });
      folders.add(dirname(target));
      await extract(file, archive, member, target, onBytes);
      extracted++;
    }
  } finally {
    await file.close();
  }
  return extracted;
}

/** @param {string} path @param {string} archive */
function safePath(path, archive) {
  const normal = posix.normalize(path);
  if (normal.startsWith('../') || normal === '..' || posix.isAbsolute(normal)) {
    throw new SetupError(`${archive} holds a path that leaves its folder: ${path}`);
  }
  return normal;
}

/**
 * @param {import('node:fs/promises').FileHandle} file
 * @param {string} archive
 * @param {Member} member
 * @param {string} target
 * @param {(bytes: number) => void} onBytes
 */
async function extract(file, archive, member, target, onBytes) {
  const local = await read(file, member.offset, 30);
  if (local.readUInt32LE(0) !== 0x04034b50) throw damaged(archive, member.name);
  const start = member.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  let crc = 0;
  let size = 0;
  const check = new Transform({
    transform(chunk, _encoding, done) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      done(null, chunk);
    },
  });
  const count = new Transform({
    transform(chunk, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  const isLink = (member.mode & 0o170000) === 0o120000;
  const sink = isLink ? textSink() : createWriteStream(target);
  const source =
    member.compressedSize === 0
      ? /** @type {Iterable<Buffer>} */ ([])
      : createReadStream(archive, { start, end: start + member.compressedSize - 1, highWaterMark: 1 << 20 });
  try {
    if (member.method === 8) await pipeline(source, count, createInflateRaw(), check, sink);
    else if (member.method === 0) await pipeline(source, count, check, sink);
    else throw new SetupError(`${archive}: ${member.name} is compressed by method ${member.method}, not read here`);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code?.startsWith('Z_')) throw damaged(archive, member.name);
    throw error;
  }
  if (crc !== member.crc || size !== member.size) throw damaged(archive, member.name);
  if (isLink) {
    const to = /** @type {ReturnType<typeof textSink>} */ (sink).text();
    if (to.includes('/')) throw new SetupError(`${archive}: ${member.name} is a link that leaves its folder (${to})`);
    await symlink(to, target);
  } else if (member.mode & 0o111) await chmod(target, 0o755);
}

function textSink() {
  let text = '';
  const sink = new Transform({
    transform(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  sink.resume();
  return Object.assign(sink, { text: () => text });
}

/**
 * @param {import('node:fs/promises').FileHandle} file
 * @param {number} size
 * @param {string} archive
 */
async function findDirectory(file, size, archive) {
  const length = Math.min(size, 0xffff + 22);
  const end = await read(file, size - length, length);
  for (let at = end.length - 22; at >= 0; at--) {
    if (end.readUInt32LE(at) !== 0x06054b50) continue;
    const directory = { offset: end.readUInt32LE(at + 16), length: end.readUInt32LE(at + 12) };
    if (directory.offset !== 0xffffffff && directory.length !== 0xffffffff) return directory;
    const locator = await read(file, size - length + at - 20, 20);
    if (locator.readUInt32LE(0) !== 0x07064b50) break;
    const record = await read(file, Number(locator.readBigUInt64LE(8)), 56);
    return { offset: Number(record.readBigUInt64LE(48)), length: Number(record.readBigUInt64LE(40)) };
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
  for (let at = 0; at + 46 <= directory.length; ) {
    if (directory.readUInt32LE(at) !== 0x02014b50) throw damaged(archive, 'its directory');
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const [size, compressedSize, offset] = wideFields(extra, [
      directory.readUInt32LE(at + 24),
      directory.readUInt32LE(at + 20),
      directory.readUInt32LE(at + 42),
    ]);
    members.push({
      name,
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

/** Fields of all ones are in the zip64 extra field instead, in their order. @param {Buffer} extra @param {number[]} fields */
function wideFields(extra, fields) {
  if (!fields.includes(0xffffffff)) return fields;
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let next = at + 4;
    return fields.map((value) => {
      if (value !== 0xffffffff) return value;
      next += 8;
      return Number(extra.readBigUInt64LE(next - 8));
    });
  }
  return fields;
}

/** @param {import('node:fs/promises').FileHandle} file @param {number} position @param {number} length */
async function read(file, position, length) {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, Math.max(0, position));
  if (bytesRead !== length) throw new SetupError('A zip archive ended early');
  return buffer;
}

/** @param {string} archive @param {string} what */
function damaged(archive, what) {
  return new SetupError(`${archive} is damaged: ${what} is not what its directory says`);
}
