import { ResnetTorchError } from '../errors.js';
import type { ComputeCapability, NativeInfo } from '../native/contract/device.js';
import type { Compute, ModelDtype } from '../native/contract/model.js';

/**
 * `auto`: bfloat16 where it is faster than float32, which the processor or the GPU says; on a GPU without it float16. `fp16`: float16 arithmetic, for
 * CUDA devices alone; in training the loss is scaled, and a step whose gradients overflow is passed over.
 */
export type Precision = 'auto' | 'fp32' | 'bf16' | 'fp16';

/** What a precision comes to; `fp64` for a float64 model. */
export type PrecisionName = 'fp32' | 'bf16' | 'fp16' | 'fp64';

export const PRECISIONS: readonly Precision[] = ['auto', 'fp32', 'bf16', 'fp16'];

/** What is asked for what processor and GPU are fast at. */
export interface PrecisionHost {
  info(): Pick<NativeInfo, 'fastBf16'>;
  cudaStatus(): { readonly devices: readonly { readonly capability: ComputeCapability }[] } | null;
}

/**
 * The arithmetic that `precision` comes to for a model of this dtype on this device.
 *
 * @throws ERR_INVALID_ARGUMENT for a float64 model and any precision but `auto`: it computes in float64; for `fp16` on the
 * CPU, and `bf16` on a GPU without it
 */
export function resolveCompute(
  precision: Precision,
  model: { readonly dtype: ModelDtype; readonly device: string },
  host: PrecisionHost,
): Compute {
  if (model.dtype === 'float64') {
    if (precision === 'auto') return 'dtype';
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      `precision '${precision}' cannot be had from a float64 model, which computes in float64. Leave precision out, or make the model with dtype 'float32'.`,
    );
  }
  if (model.device !== 'cpu') return onCuda(precision, capabilityOf(model.device, host));
  if (precision === 'auto') return host.info().fastBf16 ? 'bf16' : 'dtype';
  if (precision === 'fp16') {
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      "precision 'fp16' needs a CUDA device. On the CPU take 'bf16' or 'fp32', or 'auto' for the faster of them.",
    );
  }
  return precision === 'fp32' ? 'dtype' : precision;
}

function onCuda(precision: Precision, [major, minor]: ComputeCapability): Compute {
  const hasBf16 = major >= 8;
  if (precision === 'auto') return hasBf16 ? 'bf16' : 'fp16';
  if (precision === 'bf16' && !hasBf16) {
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      `precision 'bf16' needs compute capability 8.0, and the device has ${major}.${minor}. Take 'fp16', or 'auto', which does.`,
    );
  }
  return precision === 'fp32' ? 'dtype' : precision;
}

/** Of the device `cuda:N`, which is there, since a model is on it. */
function capabilityOf(device: string, host: PrecisionHost): ComputeCapability {
  const found = host.cudaStatus()?.devices[Number(device.slice('cuda:'.length))];
  if (found === undefined) throw new ResnetTorchError('ERR_CUDA_UNAVAILABLE', `There is no device '${device}'.`);
  return found.capability;
}

/** The name of an arithmetic, as events and checkpoints give it. */
export function precisionName(compute: Compute, dtype: ModelDtype): PrecisionName {
  if (compute !== 'dtype') return compute;
  return dtype === 'float64' ? 'fp64' : 'fp32';
}

/** The other way about. */
export function computeOf(precision: PrecisionName): Compute {
  return precision === 'bf16' || precision === 'fp16' ? precision : 'dtype';
}
