import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../support/paths.js';

const folder = join(projectRoot, '.github', 'workflows');

async function workflows(): Promise<readonly (readonly [name: string, text: string])[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yml'));
  assert.ok(names.length >= 4);
  return Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const));
}

describe('the workflows', () => {
  it('take every action by its commit, and say its version', async () => {
    const commits = new Map<string, string>();
    for (const [name, text] of await workflows()) {
      for (const [line, action = ''] of text.matchAll(/^\s*- uses: (\S+).*$/gm)) {
        assert.match(line, /uses: [\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${name}: ${line.trim()}`);
        const [repository = '', commit = ''] = action.split('@');
        const of = repository.split('/').slice(0, 2).join('/');
        assert.equal(commits.get(of) ?? commit, commit, `${name} takes another ${of} than the others`);
        commits.set(of, commit);
      }
    }
    assert.ok(commits.size >= 5);
  });

  it('have no rights that they do not need, an end, and one run at a time', async () => {
    for (const [name, text] of await workflows()) {
      assert.match(text, /^permissions:\n {2}contents: read$/m, name);
      assert.match(text, /^concurrency:$/m, name);
      const jobs = text.match(/^ {4}runs-on:/gm)?.length;
      assert.equal(text.match(/^ {4}timeout-minutes: \d+$/gm)?.length, jobs, `${name}: a job without an end`);
      assert.equal(
        text.match(/actions\/checkout@/g)?.length ?? 0,
        text.match(/persist-credentials: false/g)?.length ?? 0,
      );
    }
  });

  it('run scripts that there are', async () => {
    const { scripts } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    for (const [name, text] of await workflows()) {
      for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g))
        assert.ok(script in scripts, `${name}: ${script}`);
    }
  });
});
