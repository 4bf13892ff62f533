#!/usr/bin/env node
// Makes everything that is missing, and nothing else: dependencies, libtorch, the native addon, compiled TypeScript.
// `npx resnet-torch setup` runs this file with the same options.

import { parseArgs } from 'node:util';
import { SetupError, say } from './setup/log.mjs';

const help = `Usage: resnet-torch setup [options]

Finds or fetches libtorch and builds the native addon. What is there already is kept; a second run takes seconds.
libtorch is looked for in RESNET_TORCH_LIBTORCH, in vendor/, at PyTorch's download host, through pip, and in your Python.

Options:
  --device cpu|cuda       the variant to set up (default: cpu)
  --libtorch-only         stop when libtorch is in its place
  --libtorch-url URL      a zip file in the layout of the official distribution
  --libtorch-sha256 HEX   what that file's SHA-256 must be
  --force                 build the addon again even if nothing changed
  --verbose               show what the compiler says
  -h, --help              show this text

Examples:
  resnet-torch setup
  resnet-torch setup --device cuda
  RESNET_TORCH_LIBTORCH=/opt/libtorch resnet-torch setup
  resnet-torch setup --libtorch-url http://mirror.example/libtorch.zip
`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      device: { type: 'string', default: 'cpu' },
      'libtorch-only': { type: 'boolean', default: false },
      'libtorch-url': { type: 'string' },
      'libtorch-sha256': { type: 'string' },
      force: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.device !== 'cpu' && values.device !== 'cuda') throw new Error(`--device can be cpu or cuda, not ${values.device}`);
  return values;
}

let options;
try {
  options = readOptions();
} catch (error) {
  say(`${error.message}\nTry --help.`);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}

try {
  const { installDependencies } = await import('./setup/dependencies.mjs');
  await installDependencies();
  const { findLibtorch } = await import('./setup/libtorch.mjs');
  const libtorch = await findLibtorch(options.device, { url: options['libtorch-url'], sha256: options['libtorch-sha256'] });
  if (!options['libtorch-only']) {
    const { buildNative } = await import('./setup/native.mjs');
    await buildNative(options.device, libtorch, { force: options.force, quiet: !options.verbose });
    const { buildTypescript } = await import('./setup/typescript.mjs');
    await buildTypescript();
    say(`resnet-torch is set up (${options.device}, libtorch ${libtorch.version}).`);
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exit(1);
}
