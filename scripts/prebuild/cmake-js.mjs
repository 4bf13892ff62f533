#!/usr/bin/env node
/**
 * Stands in for node-gyp towards prebuildify, which calls `rebuild --target=VERSION --devdir=… --arch=ARCH --release` and
 * expects the addon in build/Release below the folder it is called in. The build is the set-up's own, so what is built
 * already is not built again.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const variant = process.env.RESNET_TORCH_PREBUILD_VARIANT ?? 'cpu';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: 'string' },
    devdir: { type: 'string' },
    arch: { type: 'string', default: process.arch },
    release: { type: 'boolean' },
  },
});
if (positionals[0] !== 'rebuild' || values.arch !== process.arch) {
  process.stderr.write(`Only a rebuild for ${process.arch} is done here, not: ${process.argv.slice(2).join(' ')}\n`);
  process.exit(2);
}

const setup = [join(root, 'scripts', 'setup.mjs'), '--native', '--device', variant];
const { status } = spawnSync(process.execPath, setup, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

mkdirSync(join('build', 'Release'), { recursive: true });
const addon = join('build', 'Release', 'resnet_torch.node');
copyFileSync(join(root, 'addons', variant, 'build', 'Release', 'resnet_torch.node'), addon);
