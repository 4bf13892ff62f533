/**
 * Unpacks zip archives and checks the CRC-32 of every member; nothing need be installed for it. Nothing is written outside
 * the folder that was named: no member goes through a link, and a link names a neighbour of its own.
 */

import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, open, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { SetupError } from './errors.mjs';
import { damaged, listZip, read } from './zip-directory.mjs';

/** @typedef {import('./zip-directory.mjs').Member} Member */
/** @typedef {import('./zip-directory.mjs').FileHandle} FileHandle */

/** A link's target is a file name: the longest that a file system takes. */
const longestName = 255;

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
  const folders = new Set(['.']);
  const written = new Set();
  await mkdir(folder, { recursive: true });
  try {
    for (const member of members) {
      const path = member.name.endsWith('/') ? null : place(member.name);
      if (path === null) {
        onBytes(member.compressedSize);
        continue;
      }
      checkPath(path, archive);
      if (written.has(path)) throw new SetupError(`${archive} holds ${path} twice`);
      written.add(path);
      await makeFolders(folder, dirname(path), folders, archive);
      await makeRoom(join(folder, path), path, archive);
      await extract(file, archive, member, join(folder, path), onBytes);
    }
  } finally {
    await file.close();
  }
  return written.size;
}

/** Only plain relative paths are taken: what needs to be normalised is not made by an honest archiver. @param {string} path @param {string} archive */
function checkPath(path, archive) {
  const plain = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!plain || /[\\\0]|^[a-z]:/i.test(path)) {
    throw new SetupError(
      `${archive} holds a path that leaves its folder, or is no plain path: ${JSON.stringify(path)}`,
    );
  }
}

/**
 * Each folder on the way is made, or is a real folder: a link there would lead out.
 *
 * @param {string} folder
 * @param {string} path
 * @param {Set<string>} made paths that are known to be folders
 * @param {string} archive
 */
async function makeFolders(folder, path, made, archive) {
  if (made.has(path)) return;
  await makeFolders(folder, dirname(path), made, archive);
  const there = await lstat(join(folder, path)).catch(() => null);
  if (there === null) await mkdir(join(folder, path));
  else if (!there.isDirectory()) throw new SetupError(`${archive} holds a path through ${path}, which is no folder`);
  made.add(path);
}

/** What an earlier archive put in a member's place goes, as long as it is a file. @param {string} target @param {string} path @param {string} archive */
async function makeRoom(target, path, archive) {
  const there = await lstat(target).catch(() => null);
  if (there === null) return;
  if (!there.isFile()) throw new SetupError(`${archive} holds ${path}, where there is a folder or a link already`);
  await rm(target);
}

/**
 * @param {FileHandle} file
 * @param {string} archive
 * @param {Member} member
 * @param {string} target
 * @param {(bytes: number) => void} onBytes
 */
async function extract(file, archive, member, target, onBytes) {
  const kind = member.mode & 0o170000;
  const isLink = kind === 0o120000;
  if (kind !== 0 && kind !== 0o100000 && !isLink) {
    throw new SetupError(`${archive}: ${member.name} is neither a file nor a link`);
  }
  if (member.flags & 1) throw new SetupError(`${archive}: ${member.name} is encrypted`);
  if (isLink && member.size > longestName) throw linkOut(archive, member, `a target of ${member.size} bytes`);
  const start = await startOf(file, archive, member);
  let crc = 0;
  let size = 0;
  const check = new Transform({
    transform(chunk, _encoding, done) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      // Else a small member could fill the disk.
      if (size > member.size) done(damaged(archive, member.name));
      else done(null, chunk);
    },
  });
  const count = new Transform({
    transform(chunk, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  // A file that is there is not opened, and a link not followed.
  const sink = isLink ? textSink() : createWriteStream(target, { flags: 'wx' });
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
    if (to === '' || to === '.' || to === '..' || /[/\\\0]/.test(to))
      throw linkOut(archive, member, JSON.stringify(to));
    await symlink(to, target);
  } else if (member.mode & 0o111) await chmod(target, 0o755);
}

/**
 * Where a member's bytes begin: behind its local header, which has a name of its own.
 *
 * @param {FileHandle} file
 * @param {string} archive
 * @param {Member} member
 */
async function startOf(file, archive, member) {
  const local = await read(file, member.offset, 30);
  if (local.readUInt32LE(0) !== 0x04034b50) throw damaged(archive, member.name);
  const nameLength = local.readUInt16LE(26);
  const name = await read(file, member.offset + 30, nameLength);
  if (name.toString() !== member.name) throw damaged(archive, member.name);
  return member.offset + 30 + nameLength + local.readUInt16LE(28);
}

/** @param {string} archive @param {Member} member @param {string} to */
function linkOut(archive, member, to) {
  return new SetupError(`${archive}: ${member.name} is a link that leaves its folder (${to})`);
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
