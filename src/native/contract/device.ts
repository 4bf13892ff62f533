/** Devices, what the addon is, and how a call is cancelled. */

/** Where tensors live. `cuda` variants answer `cuda:N`. */
export type NativeDevice = 'cpu' | `cuda:${number}`;

export interface NativeInfo {
  /** The libtorch that the addon was compiled against and the one it met at run time, such as `2.13.0`. */
  readonly compiledLibtorch: string;
  readonly runtimeLibtorch: string;
  readonly variant: 'cpu' | 'cuda';
  /** `true` where bfloat16 arithmetic is faster than float32: avx512_bf16 or AMX. */
  readonly fastBf16: boolean;
  /** Threads that tensor arithmetic uses. */
  readonly threads: number;
  /** Cores this process may run on. */
  readonly cores: number;
  readonly cudaDevices: number;
}

/**
 * `dtype`: arithmetic in the model's own dtype. `bf16`, `fp16`: bfloat16 or float16 arithmetic over float32 weights;
 * `fp16` on CUDA devices alone.
 */
export type Compute = 'dtype' | 'bf16' | 'fp16';

/** Compute capability of a CUDA device: `[8, 6]`. */
export type ComputeCapability = readonly [major: number, minor: number];

export interface NativeCudaDevice {
  readonly name: string;
  readonly capability: ComputeCapability;
  readonly memoryBytes: number;
}

/** What CUDA's runtime answers when it is asked for devices. */
export interface NativeCudaStatus {
  /** `cudaError_t` of asking for devices, 0 for none, and CUDA's words for it. */
  readonly error: number;
  readonly errorText: string;
  /** The newest CUDA that the driver serves, and the CUDA of the libtorch: 13000 for 13.0. 0 without a driver. */
  readonly driver: number;
  readonly runtime: number;
  /** 92400 for 9.24.0, 0 where libtorch is without it. */
  readonly cudnn: number;
  /** What the kernels were compiled for. Each serves its major version from its minor version up. */
  readonly architectures: readonly ComputeCapability[];
  readonly devices: readonly NativeCudaDevice[];
}

/** Cancels what it was handed to. The call then rejects with `ERR_ABORTED`. */
export interface NativeCancelToken {
  cancel(): void;
}
