import { ResnetTorchError } from '../errors.js';
import type { Compute, ModelDtype, NativeInfo } from '../native/binding.js';

/** `auto`: bfloat16 where it is faster than float32, which the processor or the GPU says. */
export type Precision = 'auto' | 'fp32' | 'bf16';

export const PRECISIONS: readonly Precision[] = ['auto', 'fp32', 'bf16'];

/**
 * The arithmetic that `precision` comes to for a model of this dtype on this device.
 *
 * @throws ERR_INVALID_ARGUMENT for a float64 model and any precision but `auto`: it computes in float64
 */
export function resolveCompute(
  precision: Precision,
  model: { readonly dtype: ModelDtype; readonly device: string },
  info: Pick<NativeInfo, 'fastBf16'>,
): Compute {
  if (model.dtype === 'float64') {
    if (precision === 'auto') return 'dtype';
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      `precision '${precision}' cannot be had from a float64 model, which computes in float64. Leave precision out, or make the model with dtype 'float32'.`,
    );
  }
  if (precision === 'auto') return info.fastBf16 || model.device.startsWith('cuda') ? 'bf16' : 'dtype';
  return precision === 'bf16' ? 'bf16' : 'dtype';
}

/** The name of an arithmetic, as events and checkpoints give it. */
export function precisionName(compute: Compute, dtype: ModelDtype): 'fp32' | 'bf16' | 'fp64' {
  return compute === 'bf16' ? 'bf16' : dtype === 'float64' ? 'fp64' : 'fp32';
}
