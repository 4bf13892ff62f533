import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Device } from '../../../src/model/device.js';
import type { ComputeCapability } from '../../../src/native/contract/device.js';
import { native } from '../../../src/native/load.js';
import { cudaHost } from '../../../src/native/variants.js';
import { toolkit } from '../../cuda/support/compiler.js';

// What is compared is computed in float32, not in TF32, which `fp32` takes on a device elsewhere. NVIDIA's libraries read
// this when they are loaded.
process.env.NVIDIA_TF32_OVERRIDE = '0';

const wanted = process.env.RESNET_TORCH_TEST_DEVICE;

/** For the `skip` of a test that needs a device. With RESNET_TORCH_TEST_DEVICE=cuda a device that is not there is a failure. */
export const noDevice: string | false = wanted === 'cuda' || cudaHost().deviceSeen ? false : 'no GPU: not run';

/**
 * Where the comparisons are computed. RESNET_TORCH_TEST_DEVICE=cpu takes the CPU, to see without a GPU that what they
 * expect can be had.
 */
export const deviceUnderTest: Device = wanted === 'cpu' ? 'cpu' : 'cuda';

/** Compute capability of the device under test, as `[9, 0]`; null for the CPU. */
export function capability(): ComputeCapability | null {
  return deviceUnderTest === 'cpu' ? null : (native().cudaStatus()?.devices[0]?.capability ?? null);
}

/** For the `skip` of a comparison that can be computed on the CPU too. */
export const noDeviceUnderTest: string | false = deviceUnderTest === 'cpu' ? false : noDevice;

/** Where compute-sanitizer is, or `null`. */
export async function findComputeSanitizer(): Promise<string | null> {
  for (const candidate of ['compute-sanitizer', join(toolkit ?? '', 'bin', 'compute-sanitizer')]) {
    const found = await promisify(execFile)(candidate, ['--version']).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return null;
}
