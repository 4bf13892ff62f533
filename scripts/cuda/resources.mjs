/** Reads what `ptxas -v` says of kernels, and writes it as a table. */

import { execFileSync } from 'node:child_process';

/**
 * One kernel on one architecture.
 *
 * @typedef {{ kernel: string, architecture: string, registers: number, shared: number, spills: number, stack: number }} Resources
 */

/** @param {readonly string[]} names @returns {string[]} */
function demangle(names) {
  if (names.length === 0) return [];
  const output = execFileSync('c++filt', { input: names.join('\n'), encoding: 'utf8' });
  return output.trimEnd().split('\n');
}

/** `void ns::(anonymous namespace)::pool<float, 8>(…)` → `pool<float, 8>`. @param {string} name */
export function shortName(name) {
  const plain = name.replaceAll('(anonymous namespace)::', '').replace(/^void /, '');
  let depth = 0;
  let end = plain.length;
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === '<') depth++;
    if (plain[i] === '>') depth--;
    if (plain[i] === '(' && depth === 0) {
      end = i;
      break;
    }
  }
  return plain
    .slice(0, end)
    .replaceAll(/[A-Za-z_]\w*::/g, '')
    .replaceAll('> >', '>>')
    .replaceAll('__nv_', '')
    .replaceAll('__half', 'half');
}

/** @param {string} output of nvcc with -Xptxas -v, for one architecture @returns {Resources[]} */
export function parseResources(output) {
  const found = [];
  for (const part of output.split(/ptxas info\s*:\s*Compiling entry function /).slice(1)) {
    const [, mangled = '', architecture = ''] = /^'(\S+)' for 'sm_(\w+)'/.exec(part) ?? [];
    const number = (/** @type {RegExp} */ pattern) => Number(pattern.exec(part)?.[1] ?? 0);
    const registers = number(/Used (\d+) registers/);
    if (mangled === '' || registers === 0) throw new Error(`ptxas said something unexpected:\n${part}`);
    found.push({
      kernel: mangled,
      architecture,
      registers,
      shared: number(/(\d+) bytes smem/),
      spills: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
      stack: number(/(\d+) bytes stack frame/),
    });
  }
  const names = demangle(found.map((entry) => entry.kernel));
  return found.map((entry, i) => ({ ...entry, kernel: shortName(names[i] ?? entry.kernel) }));
}

/**
 * @param {string} file
 * @param {readonly Resources[]} resources
 * @param {readonly string[]} architectures
 */
export function tableOf(file, resources, architectures) {
  const kernels = [...new Set(resources.map((entry) => entry.kernel))].sort();
  const rows = kernels.map((kernel) => {
    const of = (/** @type {string} */ architecture) =>
      resources.find((entry) => entry.kernel === kernel && entry.architecture === architecture);
    const registers = architectures.map((architecture) => of(architecture)?.registers ?? '');
    const shared = Math.max(...architectures.map((architecture) => of(architecture)?.shared ?? 0));
    return `| \`${kernel}\` | ${registers.join(' | ')} | ${shared} |`;
  });
  return [
    `## ${file}`,
    '',
    `| kernel | ${architectures.map((architecture) => `sm_${architecture}`).join(' | ')} | shared |`,
    `|---|${'---|'.repeat(architectures.length + 1)}`,
    ...rows,
  ].join('\n');
}
