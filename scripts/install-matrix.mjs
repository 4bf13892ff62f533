#!/usr/bin/env node
/**
 * `npm run test:managers [-- --only TEXT]`: packs the package, installs it by its name from a registry on this machine with
 * every package manager under every Node, and uses it; then uses it from tests of jest and vitest. Prints a table; ends with
 * 1 where something failed or warned. `--only` takes the rows whose name holds the text.
 *
 * Node and the managers are npm packages, kept in .cache/managers. The packed package holds a prebuilt addon, and set-up is
 * pointed at the clone's libtorch: nothing is compiled. What cannot be had is skipped and named.
 */

import { existsSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { managers, nodeVersions } from './install-matrix/managers.mjs';
import { startRegistry } from './install-matrix/registry.mjs';
import { testRunners } from './install-matrix/test-runners.mjs';
import { run, tail, tryRun } from './setup/run.mjs';

/** @typedef {{ name: string, node: string, result: 'ok' | 'skipped' | 'FAILED' | 'WARNED', note: string }} Row */
/** @typedef {{ address: string, folder: string, libtorch: string }} Site */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = join(root, '.cache', 'managers');
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });

const warning = /\bwarn(ing)?s?\b|EBADENGINE|\bdeprecated\b|\bincorrect peer\b|\bunmet peer\b/i;

/** What a user's program does first, in a module of the kind that every Node reads. */
const smoke = `
import('resnet-torch').then(async ({ ResNet50 }) => {
  const model = await ResNet50.create({ classes: 3, weights: 'none', device: 'cpu' });
  const { shape } = await model.forward(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
  model.dispose();
  const { createServer } = await import('resnet-torch/serve');
  await (await createServer({ models: { none: '/nowhere' } })).close();
  console.log('shape ' + shape.join());
});
`;

/** An npm package of its own folder; answers its place, or null where it cannot be had. @param {string} spec */
async function obtain(spec) {
  const folder = join(tools, spec.replaceAll('/', '+'));
  const place = join(folder, 'node_modules', spec.replace(/(?<=.)@[^@]*$/, ''));
  if (existsSync(place)) return place;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const { code } = await tryRun('npm', ['install', '--no-audit', '--no-fund', spec], { cwd: folder });
  if (code === 0 && existsSync(place)) return place;
  await rm(folder, { recursive: true, force: true });
  return null;
}

/** @param {string} version @returns {Promise<string | null>} the program */
async function obtainNode(version) {
  const place = await obtain(`node-${process.platform}-${process.arch}@${version}`);
  return place === null ? null : join(place, 'bin', 'node');
}

/**
 * The environment of a person who has this Node and nothing else: no settings of the one who runs this.
 *
 * @param {string} node @param {Site} site @param {NodeJS.ProcessEnv} [more]
 */
function environment(node, { folder, libtorch }, more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS|INIT_CWD|BUN_|DENO_)/i.test(name));
  return {
    ...Object.fromEntries(kept),
    HOME: join(folder, 'home'),
    PATH: [dirname(node), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    DENO_DIR: join(folder, 'deno'),
    DENO_TLS_CA_STORE: 'system',
    RESNET_TORCH_LIBTORCH: libtorch,
    CI: '1',
    ...more,
  };
}

/**
 * @param {import('./install-matrix/managers.mjs').Manager} manager
 * @param {string} node
 * @param {Site} site
 * @returns {Promise<Pick<Row, 'result' | 'note'>>}
 */
async function tryManager(manager, node, site) {
  const tool = await obtain(manager.from);
  if (tool === null) return { result: 'skipped', note: `${manager.from} cannot be had` };
  const project = await mkdtemp(join(site.folder, 'project-'));
  const cache = join(site.folder, `cache of ${manager.name}`);
  await mkdir(cache, { recursive: true });
  for (const [name, text] of Object.entries(manager.files(site.address, cache))) {
    await writeFile(join(project, name), text);
  }
  await writeFile(join(project, 'smoke.cjs'), smoke);
  const env = environment(node, site, manager.env);
  const [program = '', ...before] = manager.command(tool, node);
  const call = (/** @type {readonly string[]} */ args) => tryRun(program, [...before, ...args], { cwd: project, env });
  const bin = join(project, 'node_modules', '.bin', 'resnet-torch');
  const cli = (/** @type {string[]} */ ...args) =>
    manager.exec === undefined
      ? tryRun(bin, args, { cwd: project, env })
      : call([...manager.exec, 'resnet-torch', ...args]);
  const script = () =>
    manager.exec === undefined
      ? tryRun(node, ['smoke.cjs'], { cwd: project, env })
      : call([...manager.exec, 'node', 'smoke.cjs']);

  const installed = await call(manager.install(site.address, cache));
  if (installed.code !== 0) return { result: 'FAILED', note: `install:\n${tail(installed.output, 15)}` };
  /** @type {readonly [string, () => Promise<{ code: number | null, output: string }>, RegExp][]} */
  const steps = [
    ['--version', () => cli('--version'), /^\d+\.\d+\.\d+\s*$/m],
    ['setup', () => cli('setup'), /prebuilt addon of the package fits/],
    ['inspect', () => cli('inspect', '--json'), /"resnetTorch"/],
    ['import', script, /shape 1,3/],
  ];
  for (const [what, step, expected] of steps) {
    const { code, output } = await step();
    if (code !== 0 || !expected.test(output)) return { result: 'FAILED', note: `${what}:\n${tail(output, 15)}` };
  }
  const lines = installed.output.split('\n').filter((line) => warning.test(line) && !manager.inherent?.test(line));
  await rm(project, { recursive: true, force: true });
  return lines.length === 0 ? { result: 'ok', note: '' } : { result: 'WARNED', note: lines.join('\n') };
}

/**
 * @param {import('./install-matrix/test-runners.mjs').TestRunner} runner
 * @param {string} node
 * @param {string} version
 * @param {Site} site
 * @returns {Promise<Pick<Row, 'result' | 'note'>>}
 */
async function tryRunner(runner, node, version, site) {
  const unfit = runner.unfit(version);
  if (unfit !== null) return { result: 'skipped', note: unfit };
  const npm = managers[1];
  const tool = npm && (await obtain(npm.from));
  if (!npm || !tool) return { result: 'skipped', note: 'npm cannot be had' };
  const project = await mkdtemp(join(site.folder, 'project-'));
  const files = { ...npm.files(site.address, join(site.folder, `cache of ${npm.name}`)), ...runner.files };
  for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), text);
  const [program = '', ...before] = npm.command(tool, node);
  const env = environment(node, site);
  const installed = await tryRun(program, [...before, 'install', 'resnet-torch', ...runner.packages], {
    cwd: project,
    env,
  });
  if (installed.code !== 0) return { result: 'FAILED', note: `install:\n${tail(installed.output, 15)}` };
  await run('setup', join(project, 'node_modules/.bin/resnet-torch'), ['setup'], { cwd: project, env });
  const [entry = '', ...args] = runner.program;
  const tests = await tryRun(node, [join(project, 'node_modules', entry), ...args], {
    cwd: project,
    env: environment(node, site, runner.env),
  });
  await rm(project, { recursive: true, force: true });
  return tests.code === 0 ? { result: 'ok', note: '' } : { result: 'FAILED', note: tail(tests.output, 30) };
}

/** The packed package, with the prebuilt addon of the clone in it. @param {string} folder */
async function pack(folder) {
  const prebuilds = join(root, 'addons', 'cpu', 'prebuilds');
  const had = existsSync(prebuilds);
  try {
    if (!had) await run('The prebuild', process.execPath, [join(root, 'scripts', 'prebuild.mjs')], { cwd: root });
    await run('npm pack', 'npm', ['pack', '--pack-destination', folder], { cwd: root });
  } finally {
    if (!had) await rm(prebuilds, { recursive: true, force: true });
  }
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.tgz')) ?? '';
  await run('Unpacking', 'tar', ['-xzf', name, 'package/package.json'], { cwd: folder });
  const manifest = (await import(join(folder, 'package', 'package.json'), { with: { type: 'json' } })).default;
  return { manifest, tarball: join(folder, name) };
}

/** @param {readonly Row[]} rows */
function print(rows) {
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, node, result, note } of rows) {
    process.stdout.write(
      `${name.padEnd(width)}  Node ${node.padEnd(8)} ${result}${note.includes('\n') ? '' : ` ${note}`}\n`,
    );
    if (note.includes('\n')) process.stdout.write(`${note.replace(/^/gm, '    ')}\n`);
  }
}

const folder = realpathSync(await mkdtemp(join(tmpdir(), 'resnet-torch-managers-')));
await mkdir(join(folder, 'home'));
const upstream = (await run('npm config', 'npm', ['config', 'get', 'registry'], { cwd: folder })).trim();
const registry = await startRegistry({ ...(await pack(folder)), upstream: upstream.split('\n').at(-1) ?? '' });
const site = { address: registry.address, folder, libtorch: realpathSync(join(root, 'vendor', 'libtorch-cpu')) };
/** @type {Row[]} */
const rows = [];
try {
  const named = (/** @type {{ name: string }} */ { name }) => name.includes(values.only);
  for (const version of nodeVersions) {
    const node = await obtainNode(version);
    const all = [
      ...managers.filter(named).map((manager) => ({
        name: manager.name,
        attempt: (/** @type {string} */ program) => tryManager(manager, program, site),
      })),
      ...testRunners.filter(named).map((runner) => ({
        name: runner.name,
        attempt: (/** @type {string} */ program) => tryRunner(runner, program, version, site),
      })),
    ];
    for (const { name, attempt } of all) {
      process.stderr.write(`${name}, Node ${version}\n`);
      const outcome =
        node === null
          ? { result: /** @type {const} */ ('skipped'), note: 'this Node cannot be had' }
          : await attempt(node);
      rows.push({ name, node: version, ...outcome });
    }
  }
} finally {
  registry.close();
  await rm(folder, { recursive: true, force: true });
}
print(rows);
process.exitCode = rows.every(({ result }) => result === 'ok' || result === 'skipped') ? 0 : 1;
