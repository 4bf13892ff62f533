#!/usr/bin/env node
// clang-format over the C++ sources: `node scripts/format-native.mjs` rewrites, `--check` only complains.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './setup/root.mjs';

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.(cc|h|cu|cuh)$/.test(entry.name) ? [path] : [];
  });
}

const mode = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
const { clangFormatPath } = createRequire(import.meta.url)('clang-format-node');
const result = spawnSync(clangFormatPath, [...mode, ...sources(join(root, 'native'))], { stdio: 'inherit' });
process.exit(result.status ?? 1);
