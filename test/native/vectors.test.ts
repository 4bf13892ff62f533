import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/paths.js';
import { distance } from './support/numbers.js';

type Figures = Readonly<Record<'float64' | 'folded' | 'bf16', readonly number[]>>;

function figures(capability?: string): Figures {
  const program = join(projectRoot, 'dist', 'test', 'native', 'support', 'gradients.js');
  const env = { ...process.env, ...(capability === undefined ? {} : { ATEN_CPU_CAPABILITY: capability }) };
  return JSON.parse(execFileSync(process.execPath, [program], { env, encoding: 'utf8', maxBuffer: 1 << 24 }));
}

test('the sweeps give the same with every set of vector instructions that this processor has', () => {
  const widest = figures();
  for (const capability of ['default', 'avx2', 'avx512']) {
    const found = figures(capability);
    for (const [kind, most] of [
      ['float64', 1e-12],
      ['folded', 1e-12],
      ['bf16', 0.15],
    ] as const) {
      const off = distance(Float64Array.from(found[kind]), Float64Array.from(widest[kind]));
      assert.ok(off < most, `${capability}, ${kind}: ${off}`);
    }
  }
});
