#!/usr/bin/env node
/**
 * `npm run prebuild [-- --device cuda]`: makes addons/<variant>/prebuilds/<platform>-<arch>/ with prebuildify, which an
 * installed package loads without a compiler once `npx resnet-torch setup` has put libtorch in its place.
 */

import { mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseOptions } from './setup/arguments.mjs';
import { SetupError } from './setup/errors.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {'cpu' | 'cuda'} variant */
async function prebuild(variant) {
  const prebuildify = promisify(createRequire(import.meta.url)('prebuildify'));
  const out = join(root, 'addons', variant);
  // prebuildify moves the addon out of build/Release: it is given a copy's folder.
  const stage = join(out, 'stage');
  const prebuilds = join(out, 'prebuilds', `${process.platform}-${process.arch}`);
  await rm(prebuilds, { recursive: true, force: true });
  await mkdir(stage, { recursive: true });
  process.env.RESNET_TORCH_PREBUILD_VARIANT = variant;
  try {
    await prebuildify({
      name: 'resnet-torch',
      napi: true,
      tagLibc: true,
      strip: true,
      cwd: stage,
      out,
      nodeGyp: join(root, 'scripts', 'prebuild', 'cmake-js.mjs'),
    });
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
  process.stdout.write(`${relative(process.cwd(), prebuilds)}\n`);
}

try {
  await prebuild(parseOptions(process.argv.slice(2)).device);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
