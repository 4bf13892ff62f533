#!/usr/bin/env node
/**
 * `npm run rehearse:gpu`: packs the kit and runs it as a machine without Node, network or package manager would: from a folder
 * that it must leave as it is, with spaces in its path, in an empty environment, in a network namespace of its own. Needs no GPU:
 * a Python with any PyTorch will do, and steps that a GPU is needed for must say so. Fails where any other step did not go well.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pythonNames } from './setup/python.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What a bare machine has not. */
const absent = /^(node|nodejs|npm|npx|corepack|yarn|pnpm|cmake-js)$/;

const help = `npm run rehearse:gpu -- [options] [-- options of the kit's run.sh]

  --python FILE   a Python with PyTorch; default the first on the path
  --out FOLDER    results; default .cache/gpu-rehearsal
  --kit FOLDER    a kit that is packed; default one that is packed for it
  --work FOLDER   where the kit is unpacked and built, kept for the next time; default a new folder that goes
  --help          this text`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: pythonNames()[0] ?? 'python3' },
    out: { type: 'string', default: join(root, '.cache', 'gpu-rehearsal') },
    kit: { type: 'string' },
    work: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Programs by links, but for what a bare machine has not. @param {string} folder made anew */
function linkTools(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const place of ['/usr/local/bin', '/usr/bin', '/bin']) {
    for (const name of existsSync(place) ? readdirSync(place) : [])
      if (!absent.test(name) && !existsSync(join(folder, name))) symlinkSync(join(place, name), join(folder, name));
  }
}

/** Contents of all files, and their names. @param {string} folder */
function picture(folder) {
  return readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name)).toString('latin1')]);
}

/** @param {string} place a new folder */
function rehearse(place) {
  const kit = join(place, 'a kit');
  const work = resolve(values.work ?? join(place, 'a place to work'));
  // What is configured names its compiler by its place.
  const tools = `${work} tools`;
  const [home, temporary] = [join(place, 'home'), join(place, 'tmp')];
  for (const folder of [home, temporary]) mkdirSync(folder);
  linkTools(tools);
  if (values.kit === undefined) {
    const packed = spawnSync(process.execPath, [join(root, 'scripts', 'pack-gpu.mjs'), '--out', kit], {
      stdio: 'inherit',
    });
    if (packed.status !== 0) throw new Error('The kit could not be packed');
  } else cpSync(values.kit, kit, { recursive: true });
  const before = picture(kit);
  const out = resolve(values.out);
  rmSync(out, { recursive: true, force: true });
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const command = [
    ...[
      'unshare',
      '--net',
      ...asRoot,
      'env',
      '-i',
      `PATH=${tools}`,
      `HOME=${home}`,
      `TMPDIR=${temporary}`,
      'LC_ALL=C.UTF-8',
    ],
    ...['bash', join(kit, 'run.sh'), '--work', work],
    ...['--out', out, '--python', values.python, '--minutes', '120'],
    // Limits are for 16 cores.
    ...['--patience', String(Math.max(1, 32 / availableParallelism())), ...positionals],
  ];
  const [program = '', ...args] = command;
  const { status } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  process.stdout.write(readFileSync(join(out, 'summary.txt'), 'utf8'));
  if (JSON.stringify(picture(kit)) !== JSON.stringify(before)) throw new Error('The kit has changed');
  const { steps } = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'));
  const bad = steps.filter(
    (/** @type {{ status: string, note: string }} */ { status, note }) =>
      !['ok', 'no GPU'].includes(status) && note !== 'left out' && !/too much to bring home/.test(note),
  );
  if (status !== 0 || bad.length > 0)
    throw new Error(`Not as it should be: ${bad.map((/** @type {{ name: string }} */ { name }) => name).join(', ')}`);
}

if (values.help) process.stdout.write(`${help}\n`);
else {
  const place = mkdtempSync(join(tmpdir(), 'resnet-torch-rehearsal-'));
  try {
    rehearse(place);
    process.stderr.write('The rehearsal went well.\n');
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
