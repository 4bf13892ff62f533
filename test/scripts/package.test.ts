import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { before, describe, it } from 'node:test';
import { projectRoot } from '../support/paths.js';
import { runProgram } from './support/script.js';

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly workspaces?: unknown;
  readonly scripts: Readonly<Record<string, string>>;
}

/** Places of the relative links of a page: `[text](place#part)`. */
function linksOf(markdown: string): readonly string[] {
  const text = markdown.replace(/```.*?```/gs, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => String(match[1]))
    .filter((link) => !/^(https?:|#)/.test(link))
    .map((link) => link.replace(/#.*$/, ''));
}

describe('the packed package', () => {
  const packed = new Set<string>();
  let manifest: Manifest;

  before(async () => {
    const pack = await runProgram('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: projectRoot });
    assert.equal(pack.code, 0, pack.stderr);
    const [{ files }] = JSON.parse(pack.stdout) as [{ readonly files: readonly { readonly path: string }[] }];
    for (const { path } of files) packed.add(path);
    manifest = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as Manifest;
  });

  it('holds what its manifest names, its licence, and the licences of what is built in', () => {
    const entries = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    );
    for (const path of [...Object.values(manifest.bin), ...entries]) assert.ok(packed.has(posix.normalize(path)), path);
    const own = ['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md'];
    for (const path of [...own, 'dist/src/serving/fastify.LICENSES.txt', 'docs/bundlers.md']) {
      assert.ok(packed.has(path), path);
    }
    for (const path of packed) {
      assert.doesNotMatch(
        path,
        /^(test|src|bench|examples|dist\/test|\.github)\/|^(CONTRIBUTING|docs\/architecture)\.md$|\.map$|\.tsbuildinfo$|^addons\/[^/]+\/build/,
      );
    }
  });

  it('holds every file that its pages link to', async () => {
    for (const page of [...packed].filter((path) => path.endsWith('.md'))) {
      for (const link of linksOf(await readFile(join(projectRoot, page), 'utf8'))) {
        const place = posix.normalize(posix.join(dirname(page), link));
        assert.ok(packed.has(place), `${page} links to ${link}`);
      }
    }
  });

  it('has no part that a package manager warns of, or runs by itself', () => {
    // yarn 1 warns of workspaces in a package that is not private; scripts of these names run where it is installed.
    assert.equal(manifest.workspaces, undefined);
    for (const name of ['preinstall', 'install', 'postinstall']) assert.equal(manifest.scripts[name], undefined);
    // Its own dependencies ask for a newer Node in their newest versions.
    assert.equal(manifest.dependencies.fastify, undefined);
  });

  it('needs no more of Node than it says, in any of its dependencies', async () => {
    const lock = JSON.parse(await readFile(join(projectRoot, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<
        Record<
          string,
          { engines?: { node?: string }; dev?: true; devOptional?: true; optional?: true; resolved?: string }
        >
      >;
    };
    for (const [path, { engines, dev, devOptional, optional, resolved }] of Object.entries(lock.packages)) {
      assert.doesNotMatch(resolved ?? '', /^https?:/, `${path} names a registry's host`);
      const oldest = /^>=\s*(\d+)(?:\.(\d+))?/.exec(engines?.node ?? '');
      if (path === '' || oldest === null || dev || devOptional || optional) continue;
      const [, major = '0', minor = '0'] = oldest;
      assert.ok(Number(major) * 100 + Number(minor) <= 2019, `${path} needs Node ${engines?.node}`);
    }
  });

  it('has the whole of fastify in one file', async () => {
    const text = await readFile(join(projectRoot, 'dist/src/serving/fastify.js'), 'utf8');
    const imported = [...text.matchAll(/^(?:import|export) .* from "([^"]+)"/gm)].map((match) => String(match[1]));
    const required = [...text.matchAll(/\b__require\("([^"]+)"\)/g)].map((match) => String(match[1]));
    const { builtinModules } = await import('node:module');
    for (const name of [...imported, ...required]) {
      assert.ok(builtinModules.includes(name.replace(/^node:/, '')), `fastify.js asks for ${name}`);
    }
    assert.ok(required.length > 0);
  });
});
