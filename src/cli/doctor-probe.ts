/**
 * Loads the addon of the variant that RESNET_TORCH_VARIANT names, and prints what it says as one line of JSON. A program
 * of its own: a process can have one libtorch only, and what goes wrong here cannot end the one that asks.
 */

import { ResnetTorchError } from '../errors.js';
import { native } from '../native/load.js';
import type { Probe } from './doctor-report.js';

function probe(): Probe {
  try {
    const binding = native();
    return { libtorch: binding.info().runtimeLibtorch, cuda: binding.cudaStatus(), error: null };
  } catch (error) {
    if (!(error instanceof ResnetTorchError)) throw error;
    return { libtorch: null, cuda: null, error: { code: error.code, message: error.message } };
  }
}

process.stdout.write(`${JSON.stringify(probe())}\n`);
