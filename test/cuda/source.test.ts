import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../support/paths.js';

const folder = join(projectRoot, 'native', 'cuda');
const sources = readdirSync(folder)
  .filter((name) => /\.(cc|h|cu|cuh)$/.test(name))
  .map((name) => ({ name, code: withoutComments(readFileSync(join(folder, name), 'utf8')) }));

function withoutComments(text: string): string {
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
}

/** What the blocks around a place hold before it, as far as they are open there. */
function before(code: string, place: number): string {
  const open: number[] = [];
  for (let i = 0; i < place; i++) {
    if (code[i] === '{') open.push(i);
    else if (code[i] === '}') open.pop();
  }
  return open.map((start, level) => ownText(code.slice(start + 1, open[level + 1] ?? place))).join('\n');
}

/** Without the blocks inside. */
function ownText(code: string): string {
  let depth = 0;
  let own = '';
  for (const letter of code) {
    if (letter === '}') depth--;
    else if (depth === 0 && letter !== '{') own += letter;
    if (letter === '{') depth++;
  }
  return own;
}

/** What ends things of a device, or waits for all that it does, without being told which one. */
const ENDS =
  /\b(?:cuda(?:Event|Stream|Graph|GraphExec|MemPool)Destroy|cudaFree(?:Async)?|cudaDeviceSynchronize|graph_\.(?:reset|replay))\s*\(/g;
const GUARD = /\b(?:CUDAGuard|DeviceGuard)\s+\w+\s*\(/;

/** Calls that no guard stands before: on a thread whose current device is another they make a context there. */
function unguarded(code: string): readonly string[] {
  return [...code.matchAll(ENDS)]
    .filter(({ index }) => !GUARD.test(before(code, index)))
    .map(({ index }) => code.slice(index).split('\n', 1)[0] ?? '');
}

describe('the sources for CUDA', () => {
  it('turn to a device before they end what is its own', () => {
    let found = 0;
    for (const { name, code } of sources) {
      found += [...code.matchAll(ENDS)].length;
      assert.deepEqual(unguarded(code), [], name);
    }
    assert.ok(found >= 5, 'the search finds what there is');
  });

  it('would be told of one that does not', () => {
    assert.equal(unguarded('~Mark() { CHECK(cudaEventDestroy(event_)); }').length, 1);
    assert.equal(unguarded('~Mark() { { const CUDAGuard guard(d); } cudaStreamDestroy(s); }').length, 1);
    assert.equal(unguarded('void a() { const CUDAGuard guard(d); } ~Mark() { cudaEventDestroy(e); }').length, 1);
    assert.equal(unguarded('~Mark() { cudaEventDestroy(e); const CUDAGuard guard(d); }').length, 1);
    assert.equal(unguarded('~Mark() { const c10::cuda::CUDAGuard guard(d); cudaEventDestroy(e); }').length, 0);
    assert.equal(unguarded('~Mark() { const CUDAGuard guard(d); if (e) { cudaEventDestroy(e); } }').length, 0);
  });

  it('make events that a host sleeps on, and none by PyTorch, whose host spins', () => {
    const made = sources.flatMap(({ code }) => code.match(/cudaEventCreate[^;]*;/g) ?? []);
    assert.ok(made.length > 0);
    for (const call of made) assert.match(call, /cudaEventBlockingSync/);
    for (const { name, code } of sources) assert.doesNotMatch(code, /\bCUDAEvent\b/, name);
  });

  it('launch kernels in one place, which tells lack of memory from other failures', () => {
    for (const { name, code } of sources) {
      assert.doesNotMatch(code, /<<</, name);
      if (name !== 'device.cuh') assert.doesNotMatch(code, /cudaLaunchKernel/, name);
    }
  });
});
