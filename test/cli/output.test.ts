import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bar, createOutput } from '../../src/cli/output.js';

function sink(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 60, written, write: (text: string) => written.push(text) };
}

describe('createOutput', () => {
  it('prints to standard output, and notes to standard error', () => {
    const stdout = sink(false);
    const stderr = sink(false);
    const output = createOutput({ stdout, stderr });
    output.print('result');
    output.note('note');
    assert.deepEqual(stdout.written, ['result\n']);
    assert.deepEqual(stderr.written, ['note\n']);
  });

  it('keeps standard output for JSON alone with --json', () => {
    const stdout = sink(false);
    const stderr = sink(false);
    const output = createOutput({ json: true, stdout, stderr });
    output.print('for people');
    output.json({ a: 1 });
    assert.deepEqual(stdout.written, ['{"a":1}\n']);
    assert.deepEqual(stderr.written, ['for people\n']);
  });

  it('draws a bar on a terminal and takes it away before a line', () => {
    const stderr = sink(true);
    let time = 1000;
    const output = createOutput({ stdout: sink(true), stderr, now: () => time });
    output.progress('scan', 1, 4);
    output.progress('scan', 2, 4);
    time += 200;
    output.progress('scan', 3, 4);
    output.note('done');
    assert.equal(stderr.written.length, 4, 'the second drawing came too soon');
    assert.match(stderr.written[1] ?? '', /scan .*3\/4/);
    assert.deepEqual(stderr.written.slice(2), ['\r\u001b[2K', 'done\n']);
  });

  it('writes a plain line now and then where there is no terminal', () => {
    const stderr = sink(false);
    let time = 0;
    const output = createOutput({ stderr, now: () => time });
    output.progress('scan', 1, 4);
    time += 60_000;
    output.progress('scan', 2, 4, 'fast');
    assert.deepEqual(stderr.written, ['scan 2/4  fast\n']);
  });
});

describe('bar', () => {
  it('fills by the share done', () => {
    assert.equal(bar('scan', 5, 10, '', 22), 'scan  █████─────  5/10');
    assert.match(bar('scan', 10, 10, '', 40), /^scan {2}█+ {2}10\/10$/);
  });

  it('has no full part while the total is unknown, and never outgrows the terminal', () => {
    assert.match(bar('download', 7, 0, '', 40), /^download {2}─+ {2}7$/);
    assert.equal(bar('a long name of a task', 1, 2, 'and a long detail', 20).length, 20);
  });
});
