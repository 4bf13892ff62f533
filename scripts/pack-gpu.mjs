#!/usr/bin/env node
/**
 * `npm run pack:gpu [-- --out FOLDER] [-- --fast]`: writes the kit for a machine that has a GPU and PyTorch, but no Node, no
 * network and no package manager; docs/offline.md says how it is used.
 */

import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packKit } from './gpu-kit/pack.mjs';
import { SetupError } from './setup/errors.mjs';
import { megabytes, say, seconds } from './setup/output.mjs';
import { run } from './setup/run.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const help = `npm run pack:gpu -- [options]

  --out FOLDER   the kit, made anew; default .cache/gpu-kit
  --fast         compress less: larger, and packed in seconds
  --help         this text`;

try {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(root, '.cache', 'gpu-kit') },
      fast: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) process.stdout.write(`${help}\n`);
  else {
    const start = Date.now();
    const out = resolve(values.out);
    await run('The set-up', process.execPath, [join(root, 'scripts', 'setup.mjs'), '--typescript'], { cwd: root });
    const cache = join(root, '.cache', 'gpu-kit-parts');
    const files = await packKit(root, out, { cache, level: values.fast ? 1 : 9 });
    for (const { name, bytes } of files) say(`${megabytes(bytes).padStart(10)}  ${name}`);
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    say(`${megabytes(total)} in ${relative(process.cwd(), out) || '.'}, packed in ${seconds(Date.now() - start)}`);
  }
} catch (error) {
  if (!(error instanceof SetupError) && !(error instanceof TypeError)) throw error;
  say(error.message);
  process.exitCode = error instanceof SetupError ? 1 : 2;
}
