#!/usr/bin/env node
/** `npm run lint`: Biome, the TypeScript compiler, clang-format over native/. `npm run format`: lets them rewrite. */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const write = process.argv.includes('--write');

const sources = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(cc|h|cu|cuh)$/.test(name))
  .map((name) => join('native', name));

/** @type {readonly (readonly string[])[]} */
const commands = [
  ['biome', 'check', '--error-on-warnings', ...(write ? ['--write'] : [])],
  ['clang-format', ...(write ? ['-i'] : ['--dry-run', '-Werror']), ...sources],
  ...(write
    ? []
    : [['tsc', '-p', 'tsconfig.json', '--noEmit', '--tsBuildInfoFile', join('dist', '.lint.tsbuildinfo')]]),
];

// All are run, so that one look shows everything.
let failed = false;
for (const [tool = '', ...args] of commands) {
  const { status } = spawnSync(join(root, 'node_modules', '.bin', tool), args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    failed = true;
    process.stderr.write(`${tool} is not content\n`);
  }
}
process.exitCode = failed ? 1 : 0;
