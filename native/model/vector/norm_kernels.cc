// Compiled once for each instruction set.
#include "model/vector/norm_kernels.h"

#include <algorithm>
#include <limits>

#include "model/vector/lanes.h"

namespace resnet_torch::model {

namespace {

/// Four rows at a time, so that the sums go to memory and back once for them.
template <class T>
void moments(const T* x, std::int64_t rows, std::int64_t channels, const Wide<T>* origin, double* sum,
             double* square) {
  using L = Lanes<T>;
  constexpr std::int64_t kTogether = 4;
  const auto whole = rows / kTogether;
  const auto step = [&](const T* from, std::int64_t count, std::int64_t channel, auto& block)
                        __attribute__((always_inline)) {
                          typename L::V value[L::kVectors], first[L::kVectors], second[L::kVectors];
                          for (int i = 0; i < L::kVectors; ++i) {
                            first[i] = L::V::loadu(block[0] + channel + i * L::V::size());
                            second[i] = L::V::loadu(block[1] + channel + i * L::V::size());
                          }
                          for (std::int64_t r = 0; r < count; ++r) {
                            L::load(from + r * channels, value);
                            subtract<T>(value, origin + channel);
                            for (int i = 0; i < L::kVectors; ++i) {
                              first[i] = first[i] + value[i];
                              second[i] = at::vec::fmadd(value[i], value[i], second[i]);
                            }
                          }
                          for (int i = 0; i < L::kVectors; ++i) {
                            first[i].store(block[0] + channel + i * L::V::size());
                            second[i].store(block[1] + channel + i * L::V::size());
                          }
                        };
  summingOver<T, 2>(whole, channels, {sum, square},
                    [&](std::int64_t at, std::int64_t channel, auto& block) __attribute__((always_inline)) {
                      step(x + kTogether * (at - channel) + channel, kTogether, channel, block);
                    });
  const auto left = x + whole * kTogether * channels;
  summingOver<T, 2>(rows - whole * kTogether, channels, {sum, square},
                    [&](std::int64_t at, std::int64_t channel, auto& block)
                        __attribute__((always_inline)) { step(left + at, 1, channel, block); });
}

enum class Other { kNone, kPlain, kNormalised };

template <class T, Other other>
void applyOf(Operand<T> x, Operand<T> z, std::int64_t rows, std::int64_t channels, T* y) {
  using L = Lanes<T>;
  overValues<T>(rows, channels, [&](std::int64_t at, std::int64_t channel) __attribute__((always_inline)) {
    typename L::V zero(0), scale[L::kVectors], shift[L::kVectors], value[L::kVectors], second[L::kVectors];
    loadWide<T>(x.scale + channel, scale);
    loadWide<T>(x.shift + channel, shift);
    L::load(x.values + at, value);
    for (int i = 0; i < L::kVectors; ++i) value[i] = at::vec::fmadd(value[i], scale[i], shift[i]);
    if constexpr (other != Other::kNone) L::load(z.values + at, second);
    if constexpr (other == Other::kPlain) {
      for (int i = 0; i < L::kVectors; ++i) value[i] = value[i] + second[i];
    }
    if constexpr (other == Other::kNormalised) {
      loadWide<T>(z.scale + channel, scale);
      loadWide<T>(z.shift + channel, shift);
      for (int i = 0; i < L::kVectors; ++i) value[i] = value[i] + at::vec::fmadd(second[i], scale[i], shift[i]);
    }
    for (int i = 0; i < L::kVectors; ++i) value[i] = at::vec::maximum(value[i], zero);
    L::store(value, y + at);
  });
}

template <class T>
void apply(Operand<T> x, Operand<T> z, std::int64_t rows, std::int64_t channels, T* y) {
  if (!z.values) return applyOf<T, Other::kNone>(x, z, rows, channels, y);
  if (!z.scale) return applyOf<T, Other::kPlain>(x, z, rows, channels, y);
  applyOf<T, Other::kNormalised>(x, z, rows, channels, y);
}

/// gradient = dy where scale · value + shift > 0, else 0.
template <class T>
RESNET_TORCH_INLINE void gate(const Operand<T>& x, std::int64_t channel,
                              const typename Lanes<T>::V (&value)[Lanes<T>::kVectors],
                              typename Lanes<T>::V (&gradient)[Lanes<T>::kVectors]) {
  using V = typename Lanes<T>::V;
  V scale[Lanes<T>::kVectors], shift[Lanes<T>::kVectors];
  const V zero(0);
  loadWide<T>(x.scale + channel, scale);
  loadWide<T>(x.shift + channel, shift);
  for (int i = 0; i < Lanes<T>::kVectors; ++i)
    gradient[i] = (at::vec::fmadd(value[i], scale[i], shift[i]) > zero) & gradient[i];
}

template <class T>
void reluSums(const T* dy, Operand<T> x, const Wide<T>* mean, std::int64_t rows, std::int64_t channels, double* sum,
              double* sumX) {
  using L = Lanes<T>;
  summingOver<T, 2>(rows, channels, {sum, sumX},
                    [&](std::int64_t at, std::int64_t channel, auto& sums) __attribute__((always_inline)) {
                      typename L::V value[L::kVectors], g[L::kVectors];
                      L::load(x.values + at, value);
                      L::load(dy + at, g);
                      gate<T>(x, channel, value, g);
                      add<T>(sums[0] + channel, g);
                      subtract<T>(value, mean + channel);
                      addProduct<T>(sums[1] + channel, g, value);
                    });
}

/// dx = scale · g + slope · x + offset.
template <class T>
RESNET_TORCH_INLINE void combine(std::int64_t channel, const Wide<T>* scale, const Wide<T>* slope,
                                 const Wide<T>* offset, const typename Lanes<T>::V (&g)[Lanes<T>::kVectors],
                                 typename Lanes<T>::V (&value)[Lanes<T>::kVectors]) {
  typename Lanes<T>::V a[Lanes<T>::kVectors], p[Lanes<T>::kVectors], q[Lanes<T>::kVectors];
  loadWide<T>(scale + channel, a);
  loadWide<T>(slope + channel, p);
  loadWide<T>(offset + channel, q);
  for (int i = 0; i < Lanes<T>::kVectors; ++i)
    value[i] = at::vec::fmadd(g[i], a[i], at::vec::fmadd(value[i], p[i], q[i]));
}

template <class T>
void reluGradient(const T* dy, Operand<T> x, const Wide<T>* slope, const Wide<T>* offset, std::int64_t rows,
                  std::int64_t channels, T* dx) {
  using L = Lanes<T>;
  overValues<T>(rows, channels, [&](std::int64_t at, std::int64_t channel) __attribute__((always_inline)) {
    typename L::V value[L::kVectors], g[L::kVectors];
    L::load(x.values + at, value);
    L::load(dy + at, g);
    gate<T>(x, channel, value, g);
    combine<T>(channel, x.scale, slope, offset, g, value);
    L::store(value, dx + at);
  });
}

template <class T, bool hasSecond, bool hasX, bool hasZ>
void sumsOf(const GradientSums<T>& pass, std::int64_t rows, std::int64_t channels) {
  using L = Lanes<T>;
  const auto body = [&](std::int64_t at, std::int64_t channel, auto& sums) __attribute__((always_inline)) {
    typename L::V zero(0), value[L::kVectors], g[L::kVectors];
    L::load(pass.dy + at, g);
    if constexpr (hasSecond) {
      L::load(pass.dySecond + at, value);
      for (int i = 0; i < L::kVectors; ++i) g[i] = g[i] + value[i];
    }
    L::load(pass.output + at, value);
    for (int i = 0; i < L::kVectors; ++i) g[i] = (value[i] > zero) & g[i];
    L::store(g, pass.g + at);
    add<T>(sums[0] + channel, g);
    if constexpr (hasX) {
      L::load(pass.x + at, value);
      subtract<T>(value, pass.mean + channel);
      addProduct<T>(sums[1] + channel, g, value);
    }
    if constexpr (hasZ) {
      L::load(pass.z + at, value);
      subtract<T>(value, pass.zMean + channel);
      addProduct<T>(sums[hasX ? 2 : 1] + channel, g, value);
    }
  };
  if constexpr (hasX && hasZ) {
    summingOver<T, 3>(rows, channels, {pass.sum, pass.sumX, pass.sumZ}, body);
  } else if constexpr (hasX || hasZ) {
    summingOver<T, 2>(rows, channels, {pass.sum, hasX ? pass.sumX : pass.sumZ}, body);
  } else {
    summingOver<T, 1>(rows, channels, {pass.sum}, body);
  }
}

template <class T, bool hasSecond>
void sumsWith(const GradientSums<T>& pass, std::int64_t rows, std::int64_t channels) {
  if (pass.x && pass.z) return sumsOf<T, hasSecond, true, true>(pass, rows, channels);
  if (pass.x) return sumsOf<T, hasSecond, true, false>(pass, rows, channels);
  if (pass.z) return sumsOf<T, hasSecond, false, true>(pass, rows, channels);
  sumsOf<T, hasSecond, false, false>(pass, rows, channels);
}

template <class T>
void sums(const GradientSums<T>& pass, std::int64_t rows, std::int64_t channels) {
  if (pass.dySecond) return sumsWith<T, true>(pass, rows, channels);
  sumsWith<T, false>(pass, rows, channels);
}

template <class T>
void gradient(const T* g, const T* x, const Wide<T>* scale, const Wide<T>* slope, const Wide<T>* offset,
              std::int64_t rows, std::int64_t channels, T* dx) {
  using L = Lanes<T>;
  overValues<T>(rows, channels, [&](std::int64_t at, std::int64_t channel) __attribute__((always_inline)) {
    typename L::V value[L::kVectors], incoming[L::kVectors];
    L::load(x + at, value);
    L::load(g + at, incoming);
    combine<T>(channel, scale, slope, offset, incoming, value);
    L::store(value, dx + at);
  });
}

constexpr std::uint8_t kNowhere = 255;

/// The part of a window that lies in the input: window o covers inputs 2o − 1 to 2o + 1.
struct Span {
  std::int64_t first, last;  ///< places 0 to 2, inclusive
};
Span inside(std::int64_t window, std::int64_t size) {
  return {window == 0 ? 1 : 0, std::min<std::int64_t>(2, size - 2 * window)};
}

template <class T>
void pool(Operand<T> x, const PoolShape& shape, std::int64_t firstRow, std::int64_t lastRow, T* y,
          std::uint8_t* places) {
  using L = Lanes<T>;
  using V = typename L::V;
  const V zero(0);
  for (std::int64_t out = firstRow; out < lastRow; ++out) {
    const auto image = out / shape.outHeight, row = out % shape.outHeight;
    const auto down = inside(row, shape.height);
    for (std::int64_t column = 0; column < shape.outWidth; ++column) {
      const auto across = inside(column, shape.width);
      const auto to = (out * shape.outWidth + column) * shape.channels;
      for (std::int64_t channel = 0; channel < shape.channels; channel += L::kWidth) {
        V scale[L::kVectors], shift[L::kVectors], best[L::kVectors], place[L::kVectors], value[L::kVectors];
        loadWide<T>(x.scale + channel, scale);
        loadWide<T>(x.shift + channel, shift);
        for (int i = 0; i < L::kVectors; ++i) {
          best[i] = V(-std::numeric_limits<Wide<T>>::infinity());
          place[i] = zero;
        }
        for (auto i = down.first; i <= down.last; ++i) {
          for (auto j = across.first; j <= across.last; ++j) {
            const auto position = (image * shape.height + 2 * row - 1 + i) * shape.width + 2 * column - 1 + j;
            L::load(x.values + position * shape.channels + channel, value);
            const V here(static_cast<Wide<T>>(3 * i + j));
            for (int k = 0; k < L::kVectors; ++k) {
              value[k] = at::vec::fmadd(value[k], scale[k], shift[k]);
              // What is not a number wins, and stays.
              const auto better = (value[k] > best[k]) | (value[k] != value[k]);
              best[k] = V::blendv(best[k], value[k], better);
              place[k] = V::blendv(place[k], here, better);
            }
          }
        }
        Wide<T> spread[L::kWidth];
        for (int k = 0; k < L::kVectors; ++k) {
          V::blendv(place[k], V(static_cast<Wide<T>>(kNowhere)), best[k] <= zero).store(spread + k * V::size());
          best[k] = at::vec::maximum(best[k], zero);
        }
        L::store(best, y + to + channel);
        if (!places) continue;
        for (std::int64_t k = 0; k < L::kWidth; ++k)
          places[to + channel + k] = static_cast<std::uint8_t>(static_cast<int>(spread[k]));
      }
    }
  }
}

/// A window that covers an input position, and the position's place in it.
struct Cover {
  std::int64_t window, place;
};
int covers(std::int64_t position, std::int64_t windows, Cover (&found)[2]) {
  if (position % 2 == 0) {
    found[0] = {position / 2, 1};
    return 1;
  }
  found[0] = {(position - 1) / 2, 2};
  found[1] = {(position + 1) / 2, 0};
  return found[1].window < windows ? 2 : 1;
}

/// The places of two lines of windows as numbers in the values' own vectors: every line of the input asks for one or
/// two, and the next one for one of them again.
template <class T>
class PlaceLines {
 public:
  PlaceLines(const std::uint8_t* places, std::int64_t width)
      : places_(places), width_(width), values_(new Wide<T>[static_cast<std::size_t>(2 * width)]) {}
  ~PlaceLines() { delete[] values_; }
  PlaceLines(const PlaceLines&) = delete;
  PlaceLines& operator=(const PlaceLines&) = delete;

  const Wide<T>* line(std::int64_t number) {
    auto* to = values_ + (number % 2) * width_;
    if (held_[number % 2] == number) return to;
    const auto* from = places_ + number * width_;
    for (std::int64_t i = 0; i < width_; ++i) to[i] = static_cast<Wide<T>>(from[i]);
    held_[number % 2] = number;
    return to;
  }

 private:
  const std::uint8_t* places_;
  std::int64_t width_;
  Wide<T>* values_;
  std::int64_t held_[2] = {-1, -1};
};

template <class T>
void poolSums(const T* dy, const std::uint8_t* places, const T* x, const Wide<T>* mean, const PoolShape& shape,
              std::int64_t firstRow, std::int64_t lastRow, T* g, double* sum, double* sumX) {
  using L = Lanes<T>;
  using V = typename L::V;
  const auto width = shape.outWidth * shape.channels;
  PlaceLines<T> lines(places, width);
  Wide<T> sums[2][kSumsWidth];
  for (std::int64_t in = firstRow; in < lastRow; ++in) {
    for (auto& values : sums) std::fill(values, values + shape.channels, Wide<T>(0));
    const auto image = in / shape.height, row = in % shape.height;
    Cover down[2], across[2];
    const int downs = covers(row, shape.outHeight, down);
    const Wide<T>* placeLine[2];
    const T* gradientLine[2];
    for (int i = 0; i < downs; ++i) {
      const auto number = image * shape.outHeight + down[i].window;
      placeLine[i] = lines.line(number);
      gradientLine[i] = dy + number * width;
    }
    for (std::int64_t column = 0; column < shape.width; ++column) {
      const int acrosses = covers(column, shape.outWidth, across);
      for (std::int64_t channel = 0; channel < shape.channels; channel += L::kWidth) {
        V total[L::kVectors], value[L::kVectors];
        for (int k = 0; k < L::kVectors; ++k) total[k] = V(0);
        for (int i = 0; i < downs; ++i) {
          for (int j = 0; j < acrosses; ++j) {
            const auto at = across[j].window * shape.channels + channel;
            L::load(gradientLine[i] + at, value);
            const V here(static_cast<Wide<T>>(3 * down[i].place + across[j].place));
            for (int k = 0; k < L::kVectors; ++k)
              total[k] = total[k] + ((V::loadu(placeLine[i] + at + k * V::size()) == here) & value[k]);
          }
        }
        const auto at = (in * shape.width + column) * shape.channels + channel;
        L::store(total, g + at);
        add<T>(sums[0] + channel, total);
        if (!x) continue;
        L::load(x + at, value);
        subtract<T>(value, mean + channel);
        addProduct<T>(sums[1] + channel, total, value);
      }
    }
    addTo<T>(sum, sums[0], shape.channels);
    if (x) addTo<T>(sumX, sums[1], shape.channels);
  }
}

template <class T>
constexpr NormKernels<T> kKernels = {moments<T>, apply<T>,    reluSums<T>, reluGradient<T>,
                                     sums<T>,    gradient<T>, pool<T>,     poolSums<T>};

constexpr KernelTable kTable = {kKernels<double>, kKernels<float>, kKernels<c10::BFloat16>};

}  // namespace

#if defined(__AVX512BF16__)
const KernelTable* kernelsAvx512Bf16() {
  return &kTable;
}
#elif defined(CPU_CAPABILITY_AVX512)
const KernelTable* kernelsAvx512() {
  return &kTable;
}
#elif defined(CPU_CAPABILITY_AVX2)
const KernelTable* kernelsAvx2() {
  return &kTable;
}
#else
const KernelTable* kernelsDefault() {
  return &kTable;
}
#endif

}  // namespace resnet_torch::model
