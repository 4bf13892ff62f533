import { availableParallelism, cpus, totalmem } from 'node:os';
import { ResnetTorchError } from '../errors.js';
import type { NativeInfo } from '../native/contract/device.js';
import { native } from '../native/load.js';
import { packageVersion } from '../version.js';

/** What a report of a fault needs to know of the machine. */
export interface SystemInfo {
  readonly resnetTorch: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** What native code says of itself; null when it did not load. */
  readonly native: NativeInfo | null;
  /** Why it did not load. */
  readonly nativeError: { readonly code: string; readonly message: string } | null;
}

/** Loads the addon, which takes some 400 ms; a failure to is part of the answer. */
export function systemInfo(): SystemInfo {
  let info: NativeInfo | null = null;
  let nativeError: SystemInfo['nativeError'] = null;
  try {
    info = native().info();
  } catch (error) {
    if (!(error instanceof ResnetTorchError)) throw error;
    nativeError = { code: error.code, message: error.message };
  }
  return {
    resnetTorch: packageVersion(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    native: info,
    nativeError,
  };
}

export function describeSystem(system: SystemInfo): string {
  const { native: info, nativeError } = system;
  const lines = [
    `resnet-torch ${system.resnetTorch}, Node ${system.node}, ${system.platform}`,
    `${system.processor}, ${system.cores} cores, ${(system.memoryBytes / 2 ** 30).toFixed(1)} GiB`,
  ];
  if (info !== null) {
    const versions =
      info.runtimeLibtorch === info.compiledLibtorch
        ? info.runtimeLibtorch
        : `${info.runtimeLibtorch} (compiled for ${info.compiledLibtorch})`;
    const devices = info.cudaDevices === 0 ? 'no CUDA device' : `${info.cudaDevices} CUDA devices`;
    lines.push(`libtorch ${versions}, ${info.variant} variant, ${info.threads} threads, ${devices}`);
    lines.push(`bfloat16 arithmetic: ${info.fastBf16 ? 'fast here' : 'not fast here, float32 is used'}`);
  } else if (nativeError !== null) {
    lines.push(`native part not loaded (${nativeError.code}): ${nativeError.message}`);
  }
  return lines.join('\n');
}
