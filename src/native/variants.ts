import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ResnetTorchError } from '../errors.js';

/** Which libtorch an addon is built against. The CUDA variant computes on the CPU too. */
export type Variant = 'cpu' | 'cuda';

export const VARIANTS: readonly Variant[] = ['cpu', 'cuda'];

/** The variants of which the package at `root` has an addon, built or prebuilt. */
export function builtVariants(root: string): readonly Variant[] {
  const places = ['build/Release', `prebuilds/${process.platform}-${process.arch}`];
  return VARIANTS.filter((variant) => places.some((place) => holdsAddon(join(root, 'addons', variant, place))));
}

function holdsAddon(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.node'));
}

/** What the system says of NVIDIA devices. It needs no library, and takes no time. */
export interface CudaHost {
  /** Whether a device is to be seen. In a container it is not where none was handed in. */
  readonly deviceSeen: boolean;
  /** Version of the driver's kernel module, such as `580.65.06`; null where it does not say. */
  readonly driver: string | null;
  /** `CUDA_VISIBLE_DEVICES`, null where it is not set. */
  readonly visible: string | null;
}

/** WSL has a device of its own in the place of NVIDIA's. */
const DEVICE_FILES = ['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg'];
const DRIVER_FILE = '/proc/driver/nvidia/version';

export function cudaHost(): CudaHost {
  return {
    deviceSeen: DEVICE_FILES.some((file) => existsSync(file)),
    driver: existsSync(DRIVER_FILE) ? driverVersion(readFileSync(DRIVER_FILE, 'utf8')) : null,
    visible: process.env.CUDA_VISIBLE_DEVICES ?? null,
  };
}

/** `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build …` → `580.65.06`. */
export function driverVersion(text: string): string | null {
  return /\s(\d{3,}(?:\.\d+)+)\s/.exec(text)?.[1] ?? null;
}

/** Whether CUDA_VISIBLE_DEVICES hides all devices. */
export function hidesDevices({ visible }: CudaHost): boolean {
  return visible === '' || visible === '-1';
}

/** What is wrong with a value of RESNET_TORCH_VARIANT that names none. */
export function unknownVariant(wanted: string | null | undefined): string {
  return `RESNET_TORCH_VARIANT is "${wanted}": it can be cpu or cuda.`;
}

/**
 * The variant to load: what `wanted` (RESNET_TORCH_VARIANT) says; else the only one there is; of both, CUDA where a device
 * may answer. A process can have one libtorch only, and that of CUDA takes longer to load: it is not loaded to find out.
 *
 * @throws ERR_INVALID_ARGUMENT for another name
 */
export function chooseVariant(wanted: string | undefined, built: readonly Variant[], host: CudaHost): Variant {
  if (wanted === 'cpu' || wanted === 'cuda') return wanted;
  if (wanted !== undefined && wanted !== '') {
    throw new ResnetTorchError('ERR_INVALID_ARGUMENT', unknownVariant(wanted));
  }
  if (!built.includes('cuda')) return 'cpu';
  if (!built.includes('cpu')) return 'cuda';
  return host.deviceSeen && !hidesDevices(host) ? 'cuda' : 'cpu';
}
