import { readdirSync } from 'node:fs';
import nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../package-root.js';

/**
 * libvips' shared library, from the packages that sharp installs, looked up from sharp's own place: no fixed path could
 * guess every package manager's layout. `null` where sharp has none, such as one built against a system's libvips.
 */
export function findVips(): string | null {
  let fromSharp: NodeJS.Require;
  try {
    fromSharp = nodeModule.createRequire(
      nodeModule.createRequire(join(packageRoot(), 'package.json')).resolve('sharp'),
    );
  } catch {
    return null;
  }
  for (const libc of ['', 'musl']) {
    const folder = libraryFolder(fromSharp, `@img/sharp-libvips-${process.platform}${libc}-${process.arch}/lib`);
    const file = folder === null ? undefined : readdirSync(folder).find(isVips);
    if (folder !== null && file !== undefined) return join(folder, file);
  }
  return null;
}

function isVips(file: string): boolean {
  return /^libvips-cpp\.(so(\.[\d.]+)?|([\d.]+\.)?dylib)$/.test(file);
}

function libraryFolder(from: NodeJS.Require, entry: string): string | null {
  try {
    return dirname(from.resolve(entry));
  } catch {
    return null;
  }
}
