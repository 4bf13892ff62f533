import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
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

/** libtorch takes the word of ATEN_CPU_CAPABILITY, and dies of an instruction that the processor does not have. */
function capabilities(): readonly string[] {
  const cpuinfo = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const has = (flag: string) => new RegExp(`^flags.*\\b${flag}\\b`, 'm').test(cpuinfo);
  return [
    'default',
    ...(has('avx2') && has('fma') ? ['avx2'] : []),
    ...(has('avx512f') && has('avx512bw') ? ['avx512'] : []),
  ];
}

test('the sweeps give the same with every set of vector instructions that this processor has', () => {
  const widest = figures();
  for (const capability of capabilities()) {
    const found = figures(capability);
    for (const [kind, most] of [
      ['float64', 1e-12],
      ['folded', 1e-12],
      ['bf16', 0.05],
    ] as const) {
      const off = distance(Float64Array.from(found[kind]), Float64Array.from(widest[kind]));
      assert.ok(off < most, `${capability}, ${kind}: ${off}`);
    }
  }
});
