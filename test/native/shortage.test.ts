import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';

const program = join(projectRoot, 'dist', 'test', 'native', 'support', 'shortage.js');
const limits = spawnSync('prlimit', ['--version']).status === 0;

describe('a shortage fails what meets it, and nothing else', {
  skip: process.platform !== 'linux' && 'for Linux',
}, () => {
  it('of threads: predictions fail instead of waiting for ever, and go on when there are some', async (t) => {
    const folder = await temporaryDirectory(t);
    const shim = join(folder, 'no_threads.so');
    const source = join(projectRoot, 'test', 'native', 'core', 'no_threads.c');
    execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1', source, '-o', shim, '-ldl']);
    const forbids = join(folder, 'forbidden');
    const { stdout, stderr, status } = spawnSync(process.execPath, [program, 'threads', forbids], {
      encoding: 'utf8',
      // libtorch's own threads are made with its first work, and are no subject of this.
      env: { ...process.env, LD_PRELOAD: shim, NO_THREADS: forbids, OMP_NUM_THREADS: '1' },
      timeout: 120_000,
    });
    assert.equal(status, 0, stderr);
    const { refused, waiting, after } = JSON.parse(stdout);
    for (const each of refused) assert.match(each, /^ERR_INTERNAL: No thread can be started/);
    assert.equal(refused.length, 3);
    assert.equal(waiting, 0);
    assert.deepEqual(after, ['done', 'done']);
  });

  it('of memory: a step that finds none leaves the model as it was, and the next one is as if it had not been', {
    skip: !limits && 'there is no prlimit',
  }, async () => {
    const child = spawn(process.execPath, [program, 'memory'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const limit = (bytes: number | 'unlimited') =>
      execFileSync('prlimit', ['--pid', String(child.pid), `--as=${bytes}:unlimited`]);
    let last = '';
    for await (const line of createInterface({ input: child.stdout })) {
      last = line;
      if (line === 'limit') {
        const [pages = 0] = readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ').map(Number);
        limit(pages * 4096 + 200 * 2 ** 20);
      } else if (line === 'lift') limit('unlimited');
      else break;
      child.stdin.write('\n');
    }
    const { refused, changed, apart } = JSON.parse(last);
    assert.match(refused, /^ERR_OUT_OF_MEMORY: .*--batch-size/);
    assert.deepEqual(changed, []);
    assert.deepEqual(apart, []);
  });
});
