#pragma once

// Cases about what begins and ends beside the steps: executors, memory, kernels' code, cuDNN's search.

/// An executor turns to its device first, and gives memory back when all devices rest.
void idleDevice();
/// A model is made without a device, and its memory taken later.
void allocatedLater();
/// A kernel that there is no memory for.
void kernelWithoutMemory();
/// Two devices of which one searches.
void searchOfTwo();
