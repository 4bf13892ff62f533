import { ResnetTorchError } from '../errors.js';
import type { NativeDevice } from '../native/contract/device.js';
import { type CudaMachine, cudaMachine, cudaProblem } from '../native/cuda.js';
import { native, variantToLoad } from '../native/load.js';
import { type Device, requireDevice } from './device.js';

/**
 * The device that a name means on this machine; a CUDA device that cannot be had is an error, never the CPU instead.
 *
 * @throws ERR_INVALID_ARGUMENT for another name; ERR_CUDA_UNAVAILABLE, which says why and what to do; what loading the
 *   addon throws
 */
export function resolveDevice(device: unknown, machine: () => CudaMachine = cudaMachine): NativeDevice {
  const wanted = requireDevice(device);
  if (wanted === 'cpu') return 'cpu';
  if (wanted === 'auto') return cudaProblem(machine(), 0) === null ? 'cuda:0' : 'cpu';
  const index = Number(wanted.split(':')[1] ?? 0);
  const problem = cudaProblem(machineWith(wanted, machine), index);
  if (problem === null) return `cuda:${index}`;
  throw new ResnetTorchError(
    'ERR_CUDA_UNAVAILABLE',
    `device '${wanted}' cannot be had: ${problem.message}. \`npx resnet-torch doctor\` shows the whole; device 'cpu' uses ` +
      'the processor.',
  );
}

/** The same, and the driver's first answer, which takes its time, is not waited for on this thread. */
export async function findDevice(device: unknown): Promise<NativeDevice> {
  if (requireDevice(device) !== 'cpu') await driverAnswers();
  return resolveDevice(device);
}

/** What fails here does so again where it is told of. */
async function driverAnswers(): Promise<void> {
  try {
    if (variantToLoad() === 'cuda') await native().askCuda();
  } catch {}
}

/** A CUDA variant that does not load, as where a library is missing, is a reason among the others. */
function machineWith(wanted: Device, machine: () => CudaMachine): CudaMachine {
  try {
    return machine();
  } catch (error) {
    if (!(error instanceof ResnetTorchError) || variantToLoad() !== 'cuda') throw error;
    const message = `device '${wanted}' cannot be had: ${error.message}`;
    throw new ResnetTorchError('ERR_CUDA_UNAVAILABLE', message, { cause: error });
  }
}
