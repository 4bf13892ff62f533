import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { importScript } from '../scripts/support/script.js';
import { projectRoot } from '../support/paths.js';

interface Resources {
  readonly kernel: string;
  readonly architecture: string;
  readonly registers: number;
  readonly shared: number;
  readonly spills: number;
  readonly stack: number;
}
interface Script {
  parseResources(output: string): readonly Resources[];
  shortName(name: string): string;
}
const { parseResources, shortName } = await importScript<Script>('cuda/resources.mjs');

const output = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4sumsIfLi8EEvPKf' for 'sm_90'
ptxas info    : Function properties for _Z4sumsIfLi8EEvPKf
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 8192 bytes smem, 384 bytes cmem[0]
ptxas info    : Compile time = 3.000 ms
ptxas info    : Compiling entry function '_Z5plainv' for 'sm_90'
ptxas info    : Function properties for _Z5plainv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 384 bytes cmem[0]
`;

describe('the resources of kernels', () => {
  it('are read from what ptxas says', () => {
    assert.deepEqual(parseResources(output), [
      { kernel: 'sums<float, 8>', architecture: '90', registers: 255, shared: 8192, spills: 20, stack: 16 },
      { kernel: 'plain', architecture: '90', registers: 8, shared: 0, spills: 0, stack: 0 },
    ]);
    assert.throws(() => parseResources("ptxas info : Compiling entry function '_Z1fv' for 'sm_90'\n"), /unexpected/);
  });

  it('have short names', () => {
    const long =
      'void a::cuda::(anonymous namespace)::step<a::cuda::(anonymous namespace)::Rule<true> >(a::cuda::Table, int)';
    assert.equal(shortName(long), 'step<Rule<true>>');
    assert.equal(shortName('void a::pool<__nv_bfloat16, 1>(__nv_bfloat16*)'), 'pool<bfloat16, 1>');
  });

  /** Of sweeps and sums, whose grids have as many blocks as fit: cuda/grid.h, and `kAddReluBlocks` of norm_backward.cu. */
  const blocksOf = (kernel: string): number => (/^addReluSums|<float/.test(kernel) ? 2 : 3);

  it('leave room for the blocks that their grids count on', () => {
    const table = readFileSync(join(projectRoot, 'docs', 'cuda-resources.md'), 'utf8');
    const rows = [
      ...table.matchAll(/^\| `((?:apply|moments|addReluSums|reluSums|gradient|pool|gather)<.*>)` \|(.*)\|$/gm),
    ];
    assert.ok(rows.length > 40, `${rows.length} kernels`);
    for (const [, kernel = '', cells = ''] of rows) {
      const figures = cells.split('|').map(Number);
      const shared = figures.pop() ?? Number.NaN;
      const blocks = blocksOf(kernel);
      // Registers are given to threads by eights; the smallest multiprocessor has 64 KiB of shared memory.
      for (const registers of figures)
        assert.ok(Math.ceil(registers / 8) * 8 * 256 * blocks <= 65536, `${kernel}: ${registers} registers`);
      assert.ok(shared * blocks <= 65536, `${kernel}: ${shared} bytes`);
    }
  });

  it('are written down for every file of kernels', () => {
    const table = readFileSync(join(projectRoot, 'docs', 'cuda-resources.md'), 'utf8');
    assert.match(table, /spills to memory: none/);
    for (const file of readdirSync(join(projectRoot, 'native', 'cuda')).filter((name) => name.endsWith('.cu')))
      assert.ok(table.includes(`## native/cuda/${file}`), file);
  });
});
