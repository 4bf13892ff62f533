#pragma once

namespace resnet_torch {

enum class Lock { kTaken, kHeld, kUnsupported };

/// Takes the exclusive lock of an open file where nobody has it, without waiting. The kernel keeps it for the open
/// description, so that it ends when that is closed or the process ends, however it ends, and is seen from every
/// container that shares the file system. `kUnsupported`: the file system knows no locks. ERR_FILE for any other
/// failure.
Lock tryLock(int descriptor);

}  // namespace resnet_torch
