/** What a processor is, as far as figures depend on it: family, caches, instruction sets. */

import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/**
 * @typedef {object} Processor
 * @property {string} name as the system calls it
 * @property {string | null} vendor `AMD`, `Intel`, …; null where the system does not say
 * @property {number | null} family
 * @property {number | null} model
 * @property {number} cores logical ones
 * @property {readonly string[]} instructionSets those that the arithmetic here depends on
 * @property {readonly string[]} caches such as `L2 512K`, each that one core sees
 */

/** Instruction sets that change which kernels are chosen, as Linux names them. */
const RELEVANT = [
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512bw',
  'avx512_vnni',
  'avx512_bf16',
  'avx_vnni',
  'amx_bf16',
  'amx_int8',
  'asimd',
  'sve',
  'bf16',
];

/**
 * @param {string} text of /proc/cpuinfo
 * @returns {Pick<Processor, 'vendor' | 'family' | 'model' | 'instructionSets'>}
 */
export function parseCpuinfo(text) {
  const field = (/** @type {string} */ name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1]?.trim();
  const number = (/** @type {string | undefined} */ value) => (value === undefined ? null : Number(value));
  const flags = new Set((field('flags') ?? field('Features') ?? '').split(/\s+/));
  const vendors = new Map([
    ['AuthenticAMD', 'AMD'],
    ['GenuineIntel', 'Intel'],
  ]);
  const vendor = field('vendor_id');
  return {
    vendor: vendor === undefined ? null : (vendors.get(vendor) ?? vendor),
    family: number(field('cpu family')),
    model: number(field('model')),
    instructionSets: RELEVANT.filter((name) => flags.has(name)),
  };
}

/** @returns {Processor} */
export function describeProcessor() {
  return {
    name: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    ...parseCpuinfo(read('/proc/cpuinfo')),
    caches: caches(),
  };
}

/** A name for a kind of machine that its results are kept under: `amd-25-17-2-cores`. @param {Processor} processor */
export function machineId({ name, vendor, family, model, cores }) {
  const kind = vendor === null || family === null ? name : `${vendor}-${family}-${model ?? 0}`;
  return `${kind}-${cores}-cores`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function caches() {
  const folder = '/sys/devices/system/cpu/cpu0/cache';
  /** @type {string[]} */
  let names = [];
  try {
    names = readdirSync(folder).filter((name) => name.startsWith('index'));
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => {
    const [level, type, size] = ['level', 'type', 'size'].map((file) => read(`${folder}/${name}/${file}`).trim());
    return type === 'Instruction' ? [] : [`L${level} ${size}`];
  });
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
