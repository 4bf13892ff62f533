import type { NativeCudaStatus } from '../../../src/native/contract/device.js';
import type { CudaMachine } from '../../../src/native/cuda.js';

/** A card that can be computed on. */
export const status: NativeCudaStatus = {
  error: 0,
  errorText: '',
  driver: 13000,
  runtime: 13000,
  cudnn: 92400,
  architectures: [
    [7, 5],
    [8, 0],
    [8, 6],
    [9, 0],
    [10, 0],
    [12, 0],
  ],
  devices: [{ name: 'NVIDIA A100', capability: [8, 0], memoryBytes: 80 * 2 ** 30 }],
};

/** A machine with both variants and that card. */
export function machine(
  o: { readonly status?: Partial<NativeCudaStatus> | null; readonly host?: Partial<CudaMachine['host']> } & Partial<
    Pick<CudaMachine, 'built' | 'wanted'>
  > = {},
): CudaMachine {
  return {
    host: { deviceSeen: true, driver: '580.65.06', visible: null, ...o.host },
    built: o.built ?? ['cpu', 'cuda'],
    wanted: o.wanted ?? null,
    status: o.status === null ? null : { ...status, ...o.status },
  };
}

/** The answer where asking for devices fails. */
export function failing(error: number, errorText: string, driver = 13000): Partial<NativeCudaStatus> {
  return { error, errorText, driver, devices: [] };
}
