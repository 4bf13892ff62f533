import { ResnetTorchError } from '../errors.js';
import type { NativeDevice } from '../native/binding.js';
import { native } from '../native/load.js';
import { describe, invalidArgument } from '../options.js';

/** Where a model computes. `auto` takes a CUDA device where the addon has one, else the CPU. Default `auto`. */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/**
 * The device that a name stands for. Asking for CUDA without it is an error, never a silent fall-back.
 *
 * @throws ResnetTorchError `ERR_CUDA_UNAVAILABLE`, or `ERR_INVALID_ARGUMENT` for a name that is no device.
 */
export function resolveDevice(device: Device = 'auto'): NativeDevice {
  if (typeof device !== 'string' || !/^(auto|cpu|cuda(:\d+)?)$/.test(device)) {
    throw invalidArgument(`device cannot be ${describe(device)}. Known are: auto, cpu, cuda, cuda:N.`);
  }
  if (device === 'cpu') return 'cpu';
  const { cudaDevices, variant } = native().info();
  if (device === 'auto') return cudaDevices > 0 ? 'cuda:0' : 'cpu';
  const index = device === 'cuda' ? 0 : Number(device.slice('cuda:'.length));
  if (index < cudaDevices) return `cuda:${index}`;
  const reason =
    variant === 'cpu' ? 'the addon is built against the CPU libtorch' : `${cudaDevices} CUDA devices were found`;
  throw new ResnetTorchError('ERR_CUDA_UNAVAILABLE', `The device ${device} is not there: ${reason}. Use the device cpu.`);
}
