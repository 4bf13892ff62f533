import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../../support/paths.js';

/** Imports a module of scripts/, which is plain JavaScript and stays where it is; the caller names the type it expects. */
export function importScript<T>(path: string): Promise<T> {
  return import(pathToFileURL(join(projectRoot, 'scripts', path)).href) as Promise<T>;
}

/**
 * A folder like that of the installed package: what the set-up reads, no libtorch, no addon, and the project's own
 * node_modules by a link.
 */
export async function installedCopy(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const part of ['package.json', 'CMakeLists.txt', 'native', 'scripts/setup.mjs', 'scripts/setup']) {
    await cp(join(projectRoot, part), join(folder, part), { recursive: true });
  }
  await symlink(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. `env` goes over this process's own; an `undefined` there is left out. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, RESNET_TORCH_LIBTORCH: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** `node scripts/setup.mjs …` of a copy. */
export function runSetup(root: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return runProgram(process.execPath, [join(root, 'scripts', 'setup.mjs'), ...args], { cwd: root, env });
}
