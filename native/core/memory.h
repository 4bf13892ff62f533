#pragma once

namespace resnet_torch {

/// Installs the allocator that keeps freed tensor memory while work runs: given back to the system, pages return
/// zeroed, and page faults then cost more than the arithmetic. Idempotent.
void installCachingAllocator();

/// Gives everything that is cached back to the system.
void releaseCachedMemory();

}  // namespace resnet_torch
