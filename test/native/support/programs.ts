import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../support/paths.js';

/** Compiler flags with which a program dies of the first wrong access or undefined behaviour. */
export const SANITIZED = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** Files of native/, without their ending. */
export const nativeSources = (folder: string, names: readonly string[]): readonly string[] =>
  names.map((name) => join(projectRoot, 'native', folder, `${name}.cc`));

/** All files of a folder of native/ and of the folders in it. */
export function nativeFolder(folder: string): readonly string[] {
  const path = join(projectRoot, 'native', folder);
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.cc'));
  return names.map((name) => join(path, name));
}

/**
 * Compiles a program of test/native with what it tests of native/.
 *
 * @param program what to write
 * @param own the program's source, below test/native
 * @param flags of the compiler and, with `-l`, libraries: they stand last
 */
export function compileProgram(
  program: string,
  own: string,
  sources: readonly string[],
  flags: readonly string[] = [],
): void {
  const base = ['-std=c++20', '-O1', '-Wall', '-Wextra', `-I${join(projectRoot, 'native')}`];
  const all = [...base, join(projectRoot, 'test', 'native', own), ...sources, '-o', program, ...flags];
  execFileSync(process.env.CXX ?? 'c++', all, { stdio: ['ignore', 'ignore', 'inherit'] });
}
