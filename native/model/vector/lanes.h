#pragma once

// Included by kernels alone, which are compiled once for each instruction set, with CPU_CAPABILITY as libtorch's own
// kernels are: at::vec follows it. Nothing in here may be seen by two of them, hence the unnamed namespace.
#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "model/vector/norm_kernels.h"

namespace resnet_torch::model {

namespace {

using at::vec::Vectorized;

/// Without it GCC makes calls of the small steps below, and vectors go through memory between them.
#define RESNET_TORCH_INLINE [[gnu::always_inline]] inline

/// Values of one kind, taken `kWidth` channels at a time into wide vectors.
template <class T>
struct Lanes {
  using V = Vectorized<T>;
  static constexpr int kVectors = 1;
  static constexpr std::int64_t kWidth = V::size();
  RESNET_TORCH_INLINE static void load(const T* from, V (&to)[kVectors]) { to[0] = V::loadu(from); }
  RESNET_TORCH_INLINE static void store(const V (&from)[kVectors], T* to) { from[0].store(to); }
};

template <>
struct Lanes<c10::BFloat16> {
  using V = Vectorized<float>;
  static constexpr int kVectors = 2;
  static constexpr std::int64_t kWidth = 2 * V::size();
  RESNET_TORCH_INLINE static void load(const c10::BFloat16* from, V (&to)[kVectors]) {
    std::tie(to[0], to[1]) = at::vec::convert_bfloat16_float(Vectorized<c10::BFloat16>::loadu(from));
  }
  RESNET_TORCH_INLINE static void store(const V (&from)[kVectors], c10::BFloat16* to) {
#ifdef __AVX512BF16__
    const auto both = _mm512_cvtne2ps_pbh(static_cast<__m512>(from[1]), static_cast<__m512>(from[0]));
    std::memcpy(to, &both, sizeof both);
#else
    at::vec::convert_float_bfloat16(from[0], from[1]).store(to);
#endif
  }
};

/// Factors by channel, beside the values of Lanes<T>.
template <class T>
RESNET_TORCH_INLINE void loadWide(const Wide<T>* from, typename Lanes<T>::V (&to)[Lanes<T>::kVectors]) {
  for (int i = 0; i < Lanes<T>::kVectors; ++i) to[i] = Lanes<T>::V::loadu(from + i * Lanes<T>::V::size());
}

/// Adds values by channel to sums in double precision.
template <class T>
void addTo(double* sums, const Wide<T>* values, std::int64_t channels) {
  for (std::int64_t i = 0; i < channels; ++i) sums[i] += values[i];
}

/// Rows that are summed up in the values' own precision before they go to the sums in double precision.
constexpr std::int64_t kBlock = 32;
/// No member of the family has more channels than these; sums of so many stay in the first cache.
constexpr std::int64_t kMostChannels = 2048;
/// Apart from each other by no multiple of a page, which processors take for the same address.
constexpr std::int64_t kSumsWidth = kMostChannels + 96;

/// Calls body(position of the values, channel) in the order of memory.
template <class T, class Body>
void overValues(std::int64_t rows, std::int64_t channels, Body body) {
  std::int64_t at = 0;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t channel = 0; channel < channels; channel += Lanes<T>::kWidth, at += Lanes<T>::kWidth)
      body(at, channel);
}

/// `kCount` sums by channel beside a walk over values: body(position, channel, sums) adds to them in the values' own
/// precision, block by block.
template <class T, int kCount, class Body>
void summingOver(std::int64_t rows, std::int64_t channels, double* const (&sums)[kCount], Body body) {
  Wide<T> block[kCount][kSumsWidth];
  for (std::int64_t row = 0; row < rows; row += kBlock) {
    for (auto& values : block) std::fill(values, values + channels, Wide<T>(0));
    const auto skip = row * channels;
    overValues<T>(std::min(kBlock, rows - row), channels,
                  [&](std::int64_t at, std::int64_t channel)
                      __attribute__((always_inline)) { body(skip + at, channel, block); });
    for (int i = 0; i < kCount; ++i) addTo<T>(sums[i], block[i], channels);
  }
}

/// sums[channel …] += values, in vectors.
template <class T>
RESNET_TORCH_INLINE void add(Wide<T>* sums, const typename Lanes<T>::V (&values)[Lanes<T>::kVectors]) {
  using V = typename Lanes<T>::V;
  for (int i = 0; i < Lanes<T>::kVectors; ++i)
    (V::loadu(sums + i * V::size()) + values[i]).store(sums + i * V::size());
}

/// sums[channel …] += left · right.
template <class T>
RESNET_TORCH_INLINE void addProduct(Wide<T>* sums, const typename Lanes<T>::V (&left)[Lanes<T>::kVectors],
                                    const typename Lanes<T>::V (&right)[Lanes<T>::kVectors]) {
  using V = typename Lanes<T>::V;
  for (int i = 0; i < Lanes<T>::kVectors; ++i)
    at::vec::fmadd(left[i], right[i], V::loadu(sums + i * V::size())).store(sums + i * V::size());
}

/// values − origin by channel.
template <class T>
RESNET_TORCH_INLINE void subtract(typename Lanes<T>::V (&values)[Lanes<T>::kVectors], const Wide<T>* origin) {
  using V = typename Lanes<T>::V;
  for (int i = 0; i < Lanes<T>::kVectors; ++i) values[i] = values[i] - V::loadu(origin + i * V::size());
}

}  // namespace

}  // namespace resnet_torch::model
