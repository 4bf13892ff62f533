import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ComputeCapability } from '../../src/native/contract/device.js';
import {
  type CudaMachine,
  type CudaReason,
  cudaMachine,
  cudaProblem,
  cudaVersion,
  serves,
} from '../../src/native/cuda.js';
import { native } from '../../src/native/load.js';
import { importScript } from '../scripts/support/script.js';
import { projectRoot } from '../support/paths.js';
import { failing, machine, status } from './support/cuda.js';

const card = (capability: ComputeCapability) => ({ name: 'a card', capability, memoryBytes: 2 ** 33 });

describe('why a CUDA device cannot be computed on', () => {
  const cases: readonly (readonly [string, CudaMachine, CudaReason, RegExp])[] = [
    ['the variant is not built', machine({ status: null, built: ['cpu'] }), 'variant', /setup --device cuda/],
    ['the CPU variant is asked for', machine({ status: null, wanted: 'cpu' }), 'variant', /RESNET_TORCH_VARIANT=cpu/],
    [
      'devices are hidden from the loader',
      machine({ status: null, host: { visible: '-1' } }),
      'variant',
      /CUDA_VISIBLE_DEVICES=-1 hides/,
    ],
    [
      'no device is to be seen',
      machine({ status: null, host: { deviceSeen: false, driver: null } }),
      'variant',
      /no NVIDIA device.*docker run --gpus all/,
    ],
    [
      'no driver',
      machine({ status: failing(35, 'cudaErrorInsufficientDriver', 0), host: { driver: null } }),
      'no-driver',
      /no NVIDIA driver here; install version 580 or newer/,
    ],
    [
      'no library of the driver',
      machine({ status: failing(35, 'cudaErrorInsufficientDriver', 0) }),
      'no-driver',
      /kernel module is there \(580\.65\.06\).*libcuda\.so\.1.*docker run/,
    ],
    [
      'an old driver',
      machine({ status: failing(35, 'cudaErrorInsufficientDriver', 12040), host: { driver: '550.54.15' } }),
      'old-driver',
      /\(550\.54\.15\) serves CUDA 12\.4, and libtorch needs CUDA 13\.0; install driver 580 or newer/,
    ],
    ['no device', machine({ status: failing(100, 'cudaErrorNoDevice') }), 'no-device', /finds no device: .*nvidia-smi/],
    ['none and no error', machine({ status: { devices: [] } }), 'no-device', /finds no device/],
    [
      'devices are hidden',
      machine({ status: failing(100, 'cudaErrorNoDevice'), host: { visible: '7' } }),
      'no-device',
      /CUDA_VISIBLE_DEVICES=7 leaves no device/,
    ],
    [
      'Fabric Manager does not run',
      machine({ status: failing(802, 'cudaErrorSystemNotReady') }),
      'not-ready',
      /Fabric/,
    ],
    [
      'a mismatch',
      machine({ status: failing(803, 'cudaErrorSystemDriverMismatch') }),
      'mismatch',
      /restart the machine/,
    ],
    [
      'compatibility libraries that do not serve',
      machine({ status: failing(804, 'cudaErrorCompatNotSupportedOnDevice') }),
      'mismatch',
      /cudaErrorCompatNotSupportedOnDevice.*compatibility libraries/,
    ],
    ['anything else', machine({ status: failing(999, 'cudaErrorUnknown') }), 'unknown', /error 999, cudaErrorUnknown/],
    [
      'Volta',
      machine({ status: { devices: [card([7, 0])] } }),
      'capability',
      /compute capability 7\.0, and libtorch is built for 7\.5, 8\.0, 8\.6, 9\.0, 10\.0, 12\.0/,
    ],
    ['Thor', machine({ status: { devices: [card([11, 0])] } }), 'capability', /11\.0/],
  ];
  for (const [name, described, reason, message] of cases) {
    it(name, () => {
      const problem = cudaProblem(described, 0);
      assert.equal(problem?.reason, reason);
      assert.match(problem.message, message);
    });
  }

  it('a number that does not exist', () => {
    assert.equal(cudaProblem(machine(), 0), null);
    assert.match(cudaProblem(machine(), 1)?.message ?? '', /there is cuda:0 alone/);
    const two = cudaProblem(machine({ status: { devices: [card([8, 0]), card([7, 0])] } }), 2);
    assert.equal(two?.reason, 'no-such-number');
    assert.match(two.message, /there are cuda:0 to cuda:1/);
  });

  it('each device for itself', () => {
    const mixed = machine({ status: { devices: [card([7, 0]), card([8, 9])] } });
    assert.equal(cudaProblem(mixed, 0)?.reason, 'capability');
    assert.equal(cudaProblem(mixed, 1), null);
  });
});

describe('binaries', () => {
  it('serve their own major version from their minor version up', () => {
    const served = (capability: ComputeCapability) => serves(status.architectures, capability);
    for (const capability of [
      [7, 5],
      [8, 0],
      [8, 6],
      [8, 7],
      [8, 9],
      [9, 0],
      [10, 3],
      [12, 0],
      [12, 1],
    ] as const)
      assert.ok(served(capability), capability.join('.'));
    for (const capability of [
      [5, 2],
      [7, 0],
      [7, 2],
      [11, 0],
      [13, 0],
    ] as const)
      assert.ok(!served(capability), capability.join('.'));
  });

  it('are for the same architectures in both builds', async () => {
    const { architectures } = await importScript<{ architectures: readonly string[] }>('setup/cuda-toolkit.mjs');
    const build = readFileSync(join(projectRoot, 'native/cuda/build.cmake'), 'utf8');
    assert.match(build, new RegExp(`set\\(RESNET_TORCH_CUDA_ARCHITECTURES ${architectures.join(' ')} CACHE`));
  });
});

describe('the addon that is loaded', () => {
  it('is asked for the driver without holding up JavaScript, more than once too', async () => {
    assert.deepEqual(await Promise.all([native().askCuda(), native().askCuda()]), [undefined, undefined]);
  });

  it('says what it knows of CUDA', () => {
    const { status: said, built } = cudaMachine();
    const { variant, cudaDevices } = native().info();
    assert.ok(built.includes(variant));
    assert.equal(said === null, variant === 'cpu');
    assert.equal(said?.devices.length ?? 0, cudaDevices);
    if (said !== null) {
      assert.equal(cudaVersion(said.runtime).split('.')[0], '13');
      assert.deepEqual(said.architectures, status.architectures);
    }
  });
});
