#!/usr/bin/env node
/** `npm run docs`: the API reference, by TypeDoc, from the docstrings to docs/api. A warning fails it. */

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// It lies in a package of its own, beside the TypeScript that it needs.
const require = createRequire(join(root, 'scripts', 'docs', 'package.json'));
const typedoc = join(dirname(require.resolve('typedoc/package.json')), 'bin', 'typedoc');

const { status } = spawnSync(process.execPath, [typedoc, '--options', join(root, 'scripts', 'docs', 'typedoc.json')], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
