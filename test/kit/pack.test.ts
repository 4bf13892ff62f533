import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runProgram } from '../scripts/support/script.js';
import { projectRoot } from '../support/paths.js';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
interface Contents {
  readonly about: { readonly version: string; readonly node: string };
  readonly modules: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

const read = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;
const skip = process.platform !== 'linux' && 'the kit is for Linux';

describe('the kit that npm run pack:gpu writes', { skip }, () => {
  let place = '';
  let kit = '';
  before(async () => {
    place = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
    kit = join(place, 'a kit');
    const script = join(projectRoot, 'scripts', 'pack-gpu.mjs');
    const { code, stderr } = await runProgram(process.execPath, [script, '--fast', '--out', kit]);
    assert.equal(code, 0, stderr);
  });
  after(() => rm(place, { recursive: true, force: true }));

  const listed = (name: string): readonly string[] =>
    execFileSync('tar', ['-tJf', join(kit, `${name}.tar.xz`)], { encoding: 'utf8', maxBuffer: 1 << 24 })
      .trim()
      .split('\n');

  it('is one folder of few files, and smaller than 45 MB', () => {
    const names = [
      'CONTENTS.json',
      'LICENSE',
      'README.txt',
      'modules.tar.xz',
      'node.tar.xz',
      'project.tar.xz',
      'run.sh',
    ];
    assert.deepEqual(readdirSync(kit).sort(), names);
    const bytes = names.reduce((sum, name) => sum + statSync(join(kit, name)).size, 0);
    assert.ok(bytes < 45e6, `${bytes}`);
    const { files, about } = read<Contents>(join(kit, 'CONTENTS.json'));
    assert.deepEqual(
      Object.keys(files).sort(),
      names.filter((name) => name !== 'CONTENTS.json'),
    );
    assert.equal(about.node, process.version);
  });

  it('has the packages that run and build it, and none that serve development', () => {
    const { modules } = read<Contents>(join(kit, 'CONTENTS.json'));
    const { dependencies, devDependencies } = read<Manifest>(join(projectRoot, 'package.json'));
    for (const name of Object.keys(dependencies)) if (name !== 'cmake-js') assert.ok(name in modules, name);
    assert.ok('node-api-headers' in modules);
    for (const name of ['cmake-js', ...Object.keys(devDependencies)]) {
      if (!(name in dependencies) || name === 'cmake-js') assert.ok(!(name in modules), name);
    }
    const packages = new Set(listed('modules').map((file) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]));
    assert.deepEqual([...packages].sort(), Object.keys(modules).sort());
  });

  it('has what is built, what was compiled, and what its tests read', () => {
    const files = new Set(listed('project'));
    for (const file of [
      'CMakeLists.txt',
      'native/addon.cc',
      'native/cuda/compat.h',
      'dist/src/index.js',
      'dist/test/gpu/forward.test.js',
      'test/fixtures/golden/forward.safetensors',
      'test/cuda/main.cc',
      'bench/gpu.mjs',
      'bench/peers/torchvision_gpu.py',
      'vendor/jpeg/include/jpeglib.h',
      'vendor/jpeg/include/jconfig.h',
      'vendor/jpeg/lib/libjpeg.so.62',
    ])
      assert.ok(files.has(file), file);
    for (const file of files) {
      // With its lock file it would be taken for a clone, which installs what it lacks.
      assert.doesNotMatch(
        file,
        /^(package-lock\.json|src|addons|node_modules|vendor\/libtorch)|\.d\.ts$|\.map$|\.test\.ts$/,
      );
    }
  });

  it('runs from a folder that is only read, with spaces in all paths, in an empty environment', async () => {
    for (const name of readdirSync(kit)) chmodSync(join(kit, name), 0o555);
    chmodSync(kit, 0o555);
    const before = readdirSync(kit);
    const [work, out] = [join(place, 'a place to work'), join(place, 'some results')];
    const args = [
      '-i',
      'PATH=/usr/bin:/bin',
      `HOME=${place}`,
      'bash',
      join(kit, 'run.sh'),
      '--work',
      work,
      '--out',
      out,
    ];
    const { code, stderr } = await runProgram('env', [...args, '--only', 'machine']);
    chmodSync(kit, 0o755);
    assert.equal(code, 0, stderr);
    assert.deepEqual(readdirSync(kit), before);
    const { kit: about, steps } = read<{
      kit: { version: string };
      steps: readonly { name: string; status: string }[];
    }>(join(out, 'summary.json'));
    assert.equal(about.version, read<Contents>(join(kit, 'CONTENTS.json')).about.version);
    assert.equal(steps.find(({ name }) => name === 'machine')?.status, 'ok');
    // What it has of Node is enough for what it has of packages.
    const node = join(work, 'node', 'bin', 'node');
    assert.equal((await runProgram(node, ['--version'])).stdout.trim(), process.version);
    const program = "await import('sharp'); await import('./dist/src/index.js'); await import('./dist/src/cli/cli.js')";
    const loaded = await runProgram(node, ['--input-type=module', '--eval', program], { cwd: work });
    assert.equal(loaded.code, 0, loaded.stderr);
  });

  it('says what does not fit the machine', async () => {
    const { code, stderr } = await runProgram('bash', [
      join(kit, 'run.sh'),
      '--work',
      join(place, 'a place to work'),
      '--bathc',
    ]);
    assert.equal(code, 2);
    assert.match(stderr, /--bathc/);
  });
});
