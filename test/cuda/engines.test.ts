import assert from 'node:assert/strict';
import { existsSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { buildEngines, builtBefore } from './support/build.js';
import { skip as noToolkit } from './support/compiler.js';
import { runProgram } from './support/run.js';

const libtorch = join(projectRoot, 'vendor', 'libtorch-cuda');
const nvidia = existsSync(libtorch) ? join(dirname(realpathSync(libtorch)), 'nvidia') : '';
const cudnn = join(nvidia, 'cudnn');
const skip =
  noToolkit || (existsSync(join(cudnn, 'include', 'cudnn.h')) ? false : 'no CUDA libtorch, whose cuDNN is asked');

/** A card of each compute capability that the CUDA libtorch serves, by the properties that differ. */
const cards = {
  '7.5': { deviceName: 'T4', multiProcessorCount: 40, optin: 65536, threads: 1024, blocks: 16, l2CacheSize: 4 << 20 },
  '8.0': {
    deviceName: 'A100',
    multiProcessorCount: 108,
    optin: 166912,
    threads: 2048,
    blocks: 32,
    l2CacheSize: 40 << 20,
  },
  '9.0': {
    deviceName: 'H100',
    multiProcessorCount: 132,
    optin: 232448,
    threads: 2048,
    blocks: 32,
    l2CacheSize: 50 << 20,
  },
  '10.0': {
    deviceName: 'B200',
    multiProcessorCount: 148,
    optin: 232448,
    threads: 2048,
    blocks: 32,
    l2CacheSize: 126 << 20,
  },
  '12.0': {
    deviceName: 'RTX 5090',
    multiProcessorCount: 170,
    optin: 101376,
    threads: 1536,
    blocks: 24,
    l2CacheSize: 96 << 20,
  },
} as const;
type Capability = keyof typeof cards;

/** A device's properties as cuDNN writes and reads them. */
function properties(capability: Capability): string {
  const { optin, threads, blocks, ...own } = cards[capability];
  return JSON.stringify({
    ...own,
    deviceVer: Number(capability.replace('.', '')) * 10,
    driverVer: 13000,
    cudaDeviceId: 0,
    pciDeviceId: 0,
    isTccDriver: 0,
    maxCtasPerSM: blocks,
    maxRegistersPerSM: 65536,
    maxSharedMemoryPerBlock: 49152,
    maxSharedMemoryPerBlockOptin: optin,
    maxThreadsPerBlock: 1024,
    maxThreadsPerSM: threads,
    memClockRateKHz: 1593000,
    regsPerBlock: 65536,
    reservedSharedMemoryPerBlock: 1024,
    smClockRateKHz: 1410000,
    smCountOrigin: 0,
    supportCoopLaunch: 1,
    totalGlobalMem: 2 ** 34,
    warpSize: 32,
    maxBlockSize: [1024, 1024, 64],
    maxGridSize: [2147483647, 65535, 65535],
  });
}

interface Row {
  readonly type: 'fp16' | 'bf16' | 'fp32';
  readonly graph: string;
  readonly shape: string;
  readonly engines: number;
  /** Whether the one that comes first sums up in fewer bits than float32 has. */
  readonly reduced: boolean;
}

describe("cuDNN's engines for the convolutions, asked without a device", { skip }, () => {
  const built = builtBefore((folder) => buildEngines(folder, cudnn));

  for (const capability of Object.keys(cards) as Capability[]) {
    const bf16 = capability !== '7.5';
    it(`${capability}: some for each, alone and fused, in fp16 and fp32${bf16 ? ' and bf16' : '; none in bf16'}`, async (t) => {
      const file = join(await temporaryDirectory(t), 'device.json');
      await writeFile(file, properties(capability));
      const outcome = await runProgram([built.program, file]);
      assert.equal(outcome.status, 0, outcome.stderr);
      const rows = JSON.parse(outcome.stdout) as readonly Row[];
      for (const { type, graph, shape, engines } of rows) {
        const expected = type !== 'bf16' || bf16;
        assert.equal(engines > 0, expected, `${graph} of ${shape} in ${type}: ${engines} engines`);
      }
      const reduced = rows.filter((row) => row.reduced);
      // That fp16 has some is why --precision auto takes bf16 from 8.0 on; an overflow in one skips a step.
      assert.deepEqual(
        reduced.filter(({ type }) => type !== 'fp16'),
        [],
      );
      t.diagnostic(
        `sums in 16 bits: ${reduced.map(({ graph, shape }) => `${graph} of ${shape}`).join(', ') || 'none'}`,
      );
      for (const graph of new Set(rows.map((row) => row.graph))) {
        const counts = (['fp16', 'bf16', 'fp32'] as const).map((type) => {
          const listed = rows.filter((row) => row.type === type && row.graph === graph).map((row) => row.engines);
          return `${type} ${Math.min(...listed)} to ${Math.max(...listed)}`;
        });
        t.diagnostic(`${graph}: ${counts.join(', ')}`);
      }
    });
  }
});
