import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const dynamic = process.platform === 'darwin' ? 'dylib' : 'so';

/** Files that the set-up takes for a libtorch, by their paths in one. Nothing can be linked with them. */
export function fakeLibtorch(version: string): ReadonlyMap<string, string> {
  const [major, minor, patch] = version.split('.');
  return new Map([
    ['include/ATen/ATen.h', '#pragma once\n'],
    [
      'include/torch/headeronly/version.h',
      `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`,
    ],
    [`lib/libtorch_cpu.${dynamic}`, 'a library'],
    [`lib/libc10.${dynamic}`, 'another'],
    [`lib/libgomp.${dynamic}`, 'one that it needs'],
  ]);
}

export async function writeFakeLibtorch(folder: string, version: string): Promise<string> {
  for (const [path, text] of fakeLibtorch(version)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
