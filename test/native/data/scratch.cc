// Asks for more memory than there is between two buffers of ordinary size. Ends with 0 where that leaves a Scratch
// usable.

#include <cstdint>
#include <cstring>
#include <new>

#include "data/uninitialised.h"

using resnet_torch::data::Scratch;

int main() {
  constexpr std::size_t kSmall = 100;
  Scratch scratch;
  std::memset(scratch.reserve(kSmall), 1, kSmall);
  try {
    scratch.reserve(SIZE_MAX / 4);
    return 1;
  } catch (const std::bad_alloc&) {
  }
  if (scratch.capacity() != 0 || scratch.data()) return 2;
  std::uint8_t* const again = scratch.reserve(kSmall);
  if (!again) return 3;
  std::memset(again, 1, kSmall);
  Scratch other = std::move(scratch);
  if (scratch.capacity() != 0 || scratch.data() || other.capacity() != kSmall) return 4;
  return scratch.reserve(1) ? 0 : 5;
}
