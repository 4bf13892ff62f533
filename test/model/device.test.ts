import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResnetTorchError } from '../../src/errors.js';
import { requireDevice } from '../../src/model/device.js';
import { resolveDevice } from '../../src/model/resolve-device.js';
import { failing, machine } from '../native/support/cuda.js';

describe('the name of a device', () => {
  it('is one of four', () => {
    for (const name of ['auto', 'cpu', 'cuda', 'cuda:0', 'cuda:15']) assert.equal(requireDevice(name), name);
    for (const name of ['', 'gpu', 'CUDA', 'cuda:', 'cuda:-1', 'cuda:x', 'cuda:0 ', 'cuda:1000', 0, null, undefined])
      assert.throws(() => requireDevice(name), { code: 'ERR_INVALID_ARGUMENT', message: /auto, cpu, cuda or cuda:N/ });
  });
});

describe('the device that is meant', () => {
  const two = machine({
    status: {
      devices: [
        { name: 'a', capability: [9, 0], memoryBytes: 1 },
        { name: 'b', capability: [7, 0], memoryBytes: 1 },
      ],
    },
  });
  const resolve = (device: string, described = two) => resolveDevice(device, () => described);

  it('is a CUDA device where it can be had', () => {
    assert.equal(resolve('auto'), 'cuda:0');
    assert.equal(resolve('cuda'), 'cuda:0');
    assert.equal(resolve('cuda:0'), 'cuda:0');
    assert.equal(resolve('cpu'), 'cpu');
  });

  it('asks nothing of the machine for the CPU', () => {
    assert.equal(
      resolveDevice('cpu', () => assert.fail()),
      'cpu',
    );
  });

  it('is the CPU by choice alone', () => {
    for (const described of [machine({ status: failing(100, 'cudaErrorNoDevice') }), machine({ status: null })]) {
      assert.equal(resolve('auto', described), 'cpu');
      assert.throws(() => resolve('cuda', described), {
        code: 'ERR_CUDA_UNAVAILABLE',
        message: /^device 'cuda' cannot/,
      });
    }
  });

  it('tells of a CUDA variant that does not load, where CUDA is asked for', (t) => {
    const missing = new ResnetTorchError('ERR_LIBTORCH_NOT_FOUND', 'libcudart.so.13 was not found.');
    const machineOf = (): never => {
      throw missing;
    };
    const before = process.env.RESNET_TORCH_VARIANT;
    t.after(() => {
      if (before === undefined) delete process.env.RESNET_TORCH_VARIANT;
      else process.env.RESNET_TORCH_VARIANT = before;
    });
    process.env.RESNET_TORCH_VARIANT = 'cuda';
    assert.throws(() => resolveDevice('cuda', machineOf), {
      code: 'ERR_CUDA_UNAVAILABLE',
      message: /'cuda' cannot be had: libcudart\.so\.13/,
    });
    assert.throws(() => resolveDevice('auto', machineOf), missing);
    process.env.RESNET_TORCH_VARIANT = 'cpu';
    assert.throws(() => resolveDevice('cuda', machineOf), missing);
  });

  it('names what is asked for, why it cannot be had, and the ways out', () => {
    assert.throws(() => resolve('cuda:1'), {
      code: 'ERR_CUDA_UNAVAILABLE',
      message: /^device 'cuda:1' cannot be had: .*7\.0.*resnet-torch doctor.*'cpu'/,
    });
    assert.throws(() => resolve('cuda:2'), { code: 'ERR_CUDA_UNAVAILABLE', message: /there are cuda:0 to cuda:1/ });
  });
});
