import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from './support/paths.js';

const source = join(projectRoot, 'src');

/** The modules of src/ and what each imports of them, types too. */
function importsOf(): ReadonlyMap<string, readonly string[]> {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return new Map(
    files.map((name) => {
      const text = readFileSync(join(source, name), 'utf8');
      const found = [...text.matchAll(/(?:from|import|import\() ?'(\.[^']+)\.js'/g)];
      return [name, found.map(([, path]) => `${relative(source, join(source, dirname(name), path ?? ''))}.ts`)];
    }),
  );
}

/** What is loaded with a module before anything of it runs: types and what is imported later are not. */
function loadedWith(module: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const visit = (name: string): void => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const text = readFileSync(join(source, name), 'utf8');
    for (const [, what = '', path = ''] of text.matchAll(/^(?:import|export) ([^;]*?)from '(\.[^']+)\.js';/gms)) {
      const typesAlone = what.startsWith('type ') || /^\{(\s*type \w+,?)+\s*\} $/.test(what);
      if (!typesAlone) visit(`${relative(source, join(source, dirname(name), path))}.ts`);
    }
  };
  visit(module);
  return loaded;
}

/** A way from a module back to itself, or null. */
function findCircle(imports: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const visit = (name: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return null;
    for (const next of imports.get(name) ?? []) {
      const circle = visit(next, [...way, name]);
      if (circle !== null) return circle;
    }
    done.add(name);
    return null;
  };
  for (const name of imports.keys()) {
    const circle = visit(name, []);
    if (circle !== null) return circle;
  }
  return null;
}

describe('the modules of src/', () => {
  it('import each other in no circle, types included', () => {
    const imports = importsOf();
    assert.ok((imports.get('index.ts')?.length ?? 0) > 10, 'imports are found');
    assert.equal(findCircle(imports)?.join(' → '), undefined);
    assert.deepEqual(findCircle(new Map(Object.entries({ a: ['b'], b: ['c'], c: ['b'] }))), ['b', 'c', 'b']);
  });

  it('leave what computes and serves out of what the command line loads to read its options', () => {
    const loaded = loadedWith('cli/parser.ts');
    assert.ok(loaded.has('training/option-table.ts'));
    for (const heavy of [
      'native/load.ts',
      'model/network.ts',
      'model/resnet50.ts',
      'data/dataset.ts',
      'training/train.ts',
      'serving/index.ts',
    ]) {
      assert.ok(!loaded.has(heavy), heavy);
    }
    assert.deepEqual([...loadedWith('cli/stored-help.ts')], ['cli/stored-help.ts']);
  });
});
