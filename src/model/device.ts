import { describe, invalidArgument } from '../options.js';

/** `auto` (the default): the first CUDA device where it can be computed on, else the CPU. `cuda` is `cuda:0`. */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

export function isDevice(value: unknown): value is Device {
  return typeof value === 'string' && /^(?:auto|cpu|cuda(?::\d{1,3})?)$/.test(value);
}

/** @throws ERR_INVALID_ARGUMENT naming the option */
export function requireDevice(value: unknown, name = 'device'): Device {
  if (isDevice(value)) return value;
  throw invalidArgument(`${name} cannot be ${describe(value)}: it is auto, cpu, cuda or cuda:N.`);
}
