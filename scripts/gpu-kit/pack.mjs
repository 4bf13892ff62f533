/** Packs the kit: what a machine needs that has PyTorch, compilers and CMake, but neither Node nor a network. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { SetupError } from '../setup/errors.mjs';
import { run, tryRun } from '../setup/run.mjs';
import { filesBelow } from '../setup/stamp.mjs';
import { neededModules } from './modules.mjs';

/** Larger, it could not be carried where it is meant for. */
export const mostBytes = 45e6;

/** Of the tracked files, those that serve neither building nor measuring. */
const leftOut = /^(package-lock\.json$|\.github\/|\.ci\/|bench\/plots\/|scripts\/docs\/|test\/.*\.ts$|src\/)/;
/** Of the compiled, those that serve development. */
const notRun = /\.map$|\.d\.ts$|\.tsbuildinfo$|\.setup-stamp$/;

/**
 * @param {string} root of the clone
 * @param {string} out made anew
 * @param {{ level?: number, cache: string }} options `level` of xz, 0 to 9; `cache`: where the packed Node is kept
 * @returns {Promise<{ name: string, bytes: number }[]>} its files, the largest first
 */
export async function packKit(root, out, { level = 9, cache }) {
  const stage = await mkdtemp(join(tmpdir(), 'resnet-torch-kit-'));
  const partial = `${out}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    const modules = neededModules(root);
    await packNode(stage, join(partial, 'node.tar.xz'), level, cache);
    await archive(
      root,
      modules.flatMap(({ folder }) => filesOf(root, folder)),
      join(partial, 'modules.tar.xz'),
      level,
    );
    const jpeg = await copyJpeg(stage);
    await packProject(root, stage, join(partial, 'project.tar.xz'), level);
    for (const name of ['run.sh', 'README.txt'])
      await copyFile(join(root, 'scripts', 'gpu-kit', name), join(partial, name));
    await copyFile(join(root, 'LICENSE'), join(partial, 'LICENSE'));
    await chmod(join(partial, 'run.sh'), 0o755);
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const commit = await tryRun('git', ['describe', '--always', '--dirty'], { cwd: root });
    const about = {
      version: manifest.version,
      commit: commit.code === 0 ? commit.output.trim() : 'unknown',
      node: process.version,
      system: `${process.platform}-${process.arch}`,
      jpeg,
    };
    const contents = {
      about,
      modules: Object.fromEntries(modules.map(({ name, version }) => [name, version])),
      files: Object.fromEntries((await readdir(partial)).sort().map((name) => [name, sha256(join(partial, name))])),
    };
    await writeFile(join(partial, 'CONTENTS.json'), `${JSON.stringify(contents, null, 1)}\n`);
    await rm(out, { recursive: true, force: true });
    await rename(partial, out);
  } finally {
    await rm(stage, { recursive: true, force: true });
    await rm(partial, { recursive: true, force: true });
  }
  const files = (await readdir(out)).map((name) => ({ name, bytes: statSync(join(out, name)).size }));
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > mostBytes) throw new SetupError(`The kit has ${total} bytes: ${mostBytes} are the most.`);
  return files.sort((a, b) => b.bytes - a.bytes);
}

/** @param {string} file */
function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** @param {string} root @param {string} folder @returns {string[]} below root */
function filesOf(root, folder) {
  return filesBelow(folder)
    .map((file) => relative(root, file))
    .filter(
      (file) => !/\.(d\.[cm]?ts|map|md)$/.test(file) && !relative(folder, join(root, file)).startsWith('node_modules'),
    );
}

/** Files by names that are relative to a folder. @param {string} folder @param {readonly string[]} files @param {string} target @param {number} level */
async function archive(folder, files, target, level) {
  const list = `${target}.list`;
  await writeFile(list, files.join('\0'));
  const form = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--null', '--no-recursion'];
  const env = { ...process.env, XZ_OPT: `-${level} -T0` };
  await run('Packing', 'tar', ['-cJf', target, ...form, '-C', folder, '-T', list], { env });
  await rm(list);
}

/** This Node without its symbols. @param {string} stage @param {string} target @param {number} level @param {string} cache */
async function packNode(stage, target, level, cache) {
  const { size } = statSync(process.execPath);
  const kept = join(cache, `node-${process.version}-${process.arch}-${size}-${level}.tar.xz`);
  if (!existsSync(kept)) {
    const folder = join(stage, 'node', 'bin');
    await mkdir(folder, { recursive: true });
    await copyFile(process.execPath, join(folder, 'node'));
    await tryRun('strip', [join(folder, 'node')]);
    await run('The stripped Node', join(folder, 'node'), ['--version']);
    await mkdir(cache, { recursive: true });
    await archive(stage, ['node/bin/node'], `${kept}.partial`, level);
    await rename(`${kept}.partial`, kept);
  }
  await copyFile(kept, target);
}

/** libjpeg's headers and library, as the compiler here finds them. @param {string} stage */
async function copyJpeg(stage) {
  const [include, lib] = ['include', 'lib'].map((name) => join(stage, 'vendor', 'jpeg', name));
  for (const folder of [include, lib]) await mkdir(String(folder), { recursive: true });
  const source = join(stage, 'jpeg.c');
  await writeFile(source, '#include <stdio.h>\n#include <jpeglib.h>\n#include <jerror.h>\n');
  const compiler = process.env.CC ?? 'cc';
  const rule = await run('Looking for the headers of libjpeg', compiler, ['-M', source]);
  await rm(source);
  for (const header of rule.match(/\S+\/j\w+\.h/g) ?? [])
    await copyFile(header, join(String(include), basename(header)));
  const library = realpathSync((await run('Looking for libjpeg', compiler, ['-print-file-name=libjpeg.so'])).trim());
  // libjpeg.so.62.3.0 is found as libjpeg.so.62 at run time.
  const name = /^libjpeg\.so\.\d+/.exec(basename(library))?.[0];
  if (name !== 'libjpeg.so.62')
    throw new SetupError(`${library} is not libjpeg-turbo's libjpeg.so.62, which the kit takes.`);
  await copyFile(library, join(String(lib), name));
  return basename(library);
}

/** @param {string} root @param {string} stage holds vendor/ @param {string} target @param {number} level */
async function packProject(root, stage, target, level) {
  const listed = await run(
    'Listing the files',
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root },
  );
  const tracked = listed
    .split('\0')
    .filter((file) => file !== '' && !leftOut.test(file) && existsSync(join(root, file)));
  const compiled = filesBelow(join(root, 'dist'))
    .map((file) => relative(root, file))
    .filter((file) => !notRun.test(file));
  for (const file of [...tracked, ...compiled]) {
    const to = join(stage, file);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(join(root, file), to);
  }
  const vendored = filesBelow(join(stage, 'vendor')).map((file) => relative(stage, file));
  await archive(stage, [...tracked, ...compiled, ...vendored], target, level);
}
