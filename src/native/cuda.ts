import type { ComputeCapability, NativeCudaStatus } from './contract/device.js';
import { setupCommand } from './explain.js';
import { native, packageRoot } from './load.js';
import { builtVariants, type CudaHost, cudaHost, hidesDevices, type Variant } from './variants.js';

/** All that decides on whether there is a CUDA device to compute on. */
export interface CudaMachine {
  readonly host: CudaHost;
  readonly built: readonly Variant[];
  /** RESNET_TORCH_VARIANT, null where it is not set. */
  readonly wanted: string | null;
  /** What the addon that was loaded says; null for that of the CPU variant. */
  readonly status: NativeCudaStatus | null;
}

/** Loads the addon, and throws what `native` throws. */
export function cudaMachine(): CudaMachine {
  return {
    host: cudaHost(),
    built: builtVariants(packageRoot()),
    wanted: process.env.RESNET_TORCH_VARIANT || null,
    status: native().cudaStatus(),
  };
}

/** Why a CUDA device cannot be computed on. */
export type CudaReason =
  | 'variant'
  | 'no-driver'
  | 'old-driver'
  | 'no-device'
  | 'mismatch'
  | 'not-ready'
  | 'unknown'
  | 'no-such-number'
  | 'capability';

export interface CudaProblem {
  readonly reason: CudaReason;
  /** What is wrong, and what to do about it. */
  readonly message: string;
}

/** The oldest driver that serves CUDA 13. */
const OLDEST_DRIVER = 580;

/** Why device `index` cannot be computed on; null where it can. */
export function cudaProblem(machine: CudaMachine, index: number): CudaProblem | null {
  const { status } = machine;
  if (status === null) return { reason: 'variant', message: withoutVariant(machine) };
  return runtimeProblem(status, machine.host) ?? deviceProblem(status, index);
}

function withoutVariant({ built, wanted, host }: CudaMachine): string {
  const build = setupCommand('cuda');
  if (!built.includes('cuda')) return `the CUDA variant of the package is not built; \`${build}\` builds it`;
  if (wanted === 'cpu') return 'RESNET_TORCH_VARIANT=cpu asks for the CPU variant; leave it out';
  if (hidesDevices(host)) return `CUDA_VISIBLE_DEVICES=${host.visible} hides all devices; leave it out`;
  return (
    'the system shows no NVIDIA device (no /dev/nvidiactl): look at `nvidia-smi`; a container is given devices by ' +
    '`docker run --gpus all`. RESNET_TORCH_VARIANT=cuda loads the CUDA variant all the same, and tells more'
  );
}

/** By `cudaError_t`; 35 is said of a driver that is too old and of none. */
function runtimeProblem(status: NativeCudaStatus, host: CudaHost): CudaProblem | null {
  switch (status.error) {
    case 0:
      return status.devices.length === 0 ? noDevice(host) : null;
    case 35:
      return status.driver === 0 ? noDriver(host) : oldDriver(status, host);
    case 100:
      return noDevice(host);
    case 802:
      return {
        reason: 'not-ready',
        message: `the devices are not ready (${status.errorText}): start NVIDIA's Fabric Manager, of the driver's version`,
      };
    case 803:
    case 804:
      return {
        reason: 'mismatch',
        message:
          `the driver's library and its kernel module do not fit each other (${status.errorText}): restart the machine ` +
          'after a change of driver, and leave out CUDA compatibility libraries that this device cannot use',
      };
    default:
      return {
        reason: 'unknown',
        message: `CUDA does not start (error ${status.error}, ${status.errorText}): see whether \`nvidia-smi\` works`,
      };
  }
}

function noDriver(host: CudaHost): CudaProblem {
  const message =
    host.driver === null
      ? `there is no NVIDIA driver here; install version ${OLDEST_DRIVER} or newer`
      : `the driver's kernel module is there (${host.driver}), but its library libcuda.so.1 is not: a container is given it ` +
        'by `docker run --gpus all`';
  return { reason: 'no-driver', message };
}

function oldDriver(status: NativeCudaStatus, host: CudaHost): CudaProblem {
  const driver = host.driver === null ? 'the NVIDIA driver' : `the NVIDIA driver (${host.driver})`;
  return {
    reason: 'old-driver',
    message:
      `${driver} serves CUDA ${cudaVersion(status.driver)}, and libtorch needs CUDA ${cudaVersion(status.runtime)}; ` +
      `install driver ${OLDEST_DRIVER} or newer`,
  };
}

function noDevice(host: CudaHost): CudaProblem {
  const message =
    host.visible === null
      ? 'the driver finds no device: look at `nvidia-smi`'
      : `CUDA_VISIBLE_DEVICES=${host.visible} leaves no device: change it or leave it out`;
  return { reason: 'no-device', message };
}

function deviceProblem(status: NativeCudaStatus, index: number): CudaProblem | null {
  const device = status.devices[index];
  if (device === undefined) {
    const last = status.devices.length - 1;
    const names = last === 0 ? 'there is cuda:0 alone' : `there are cuda:0 to cuda:${last}`;
    return { reason: 'no-such-number', message: `${names}; CUDA_VISIBLE_DEVICES may hide others` };
  }
  if (serves(status.architectures, device.capability)) return null;
  const known = status.architectures.map(([major, minor]) => `${major}.${minor}`).join(', ');
  return {
    reason: 'capability',
    message:
      `the device ${device.name} is of compute capability ${device.capability.join('.')}, and libtorch is built for ${known} ` +
      'and newer minor versions of these; use another device, or a libtorch that is built for this one',
  };
}

/** Binaries run on their own major version from their minor version up, and there is no code to translate. */
export function serves(architectures: readonly ComputeCapability[], [major, minor]: ComputeCapability): boolean {
  return architectures.some((built) => built[0] === major && built[1] <= minor);
}

/** 13000 → `13.0`. */
export function cudaVersion(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

/** 92400 → `9.24.0`. */
export function cudnnVersion(version: number): string {
  if (version === 0) return 'none';
  return `${Math.floor(version / 10_000)}.${Math.floor((version % 10_000) / 100)}.${version % 100}`;
}
