import { ResnetTorchError } from '../errors.js';
import type { NativeDevice, NativeInfo } from '../native/binding.js';

/** `auto` (the default): the first CUDA device where there is one, else the CPU. `cuda` is `cuda:0`. */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/**
 * The device that a name means on this machine; a CUDA device that is not there is an error, never the CPU instead.
 *
 * @throws ERR_INVALID_ARGUMENT for another name, ERR_CUDA_UNAVAILABLE when there is no such CUDA device
 */
export function resolveDevice(device: string, info: Pick<NativeInfo, 'variant' | 'cudaDevices'>): NativeDevice {
  if (device === 'auto') return info.cudaDevices > 0 ? 'cuda:0' : 'cpu';
  if (device === 'cpu') return 'cpu';
  const index = /^cuda(?::(\d{1,3}))?$/.exec(device);
  if (index === null) {
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      `device is ${JSON.stringify(device)}; it takes 'auto', 'cpu', 'cuda' or 'cuda:N'.`,
    );
  }
  const ordinal = Number(index[1] ?? 0);
  if (ordinal < info.cudaDevices) return `cuda:${ordinal}`;
  const found =
    info.variant === 'cpu'
      ? 'the addon is built for the CPU; run `resnet-torch setup --device cuda` for the CUDA variant'
      : info.cudaDevices === 0
        ? 'no CUDA device was found; look at `nvidia-smi`, and at CUDA_VISIBLE_DEVICES'
        : `there are ${info.cudaDevices} CUDA devices, cuda:0 to cuda:${info.cudaDevices - 1}`;
  throw new ResnetTorchError(
    'ERR_CUDA_UNAVAILABLE',
    `device '${device}' cannot be had: ${found}. device 'cpu' uses the processor.`,
  );
}
