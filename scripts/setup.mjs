#!/usr/bin/env node
/**
 * Sets the package up: `node scripts/setup.mjs [--device cpu|cuda] [--libtorch-only | --native | --typescript]
 * [--libtorch-url URL] [--sha256 HEX] [--allow-unverified] [--allow-http] [--jobs N] [--force]`. Plain JavaScript over Node alone, since it runs before anything is installed or compiled.
 *
 * `npx resnet-torch setup` spawns this file with the same flags. It writes to standard error only, ends with code 0 when
 * all is in place, 1 when a step failed (the message says which and what to do), 2 for a wrong flag.
 */

import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { help, parseOptions } from './setup/arguments.mjs';
import { installDependencies, isCheckout } from './setup/dependencies.mjs';
import { SetupError } from './setup/errors.mjs';
import { provideLibtorch } from './setup/libtorch.mjs';
import { buildNative } from './setup/native.mjs';
import { say, seconds, step } from './setup/output.mjs';
import { buildTypeScript } from './setup/typescript.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {import('./setup/arguments.mjs').Options} options */
async function setup({ device, part, trust, jobs, force }) {
  const start = Date.now();
  const fromSource = isCheckout(root);
  if (fromSource && (part === 'all' || part === 'typescript')) await installDependencies(root);
  if (part !== 'typescript') {
    const libtorch = await provideLibtorch(root, device, trust);
    if (part !== 'libtorch') await buildNative(root, device, libtorch, { jobs, force });
  }
  if (fromSource && (part === 'all' || part === 'typescript')) await buildTypeScript(root, { force });
  step('ready', `in ${seconds(Date.now() - start)}`);
}

// An interrupted step removes its temporary folder by itself where it can; child processes end with this one.
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

let exitCode = 2;
try {
  const options = parseOptions(process.argv.slice(2));
  exitCode = 1;
  if (options.help) process.stdout.write(`${help}\n`);
  else await setup(options);
  exitCode = 0;
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
}
process.exitCode = exitCode;
