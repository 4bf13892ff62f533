#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <platform.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "reference.h"

using reference::Values;

inline double toDouble(float value) {
  return value;
}
inline double toDouble(__half value) {
  return __half2float(value);
}
inline double toDouble(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class T>
T rounded(double value) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(static_cast<float>(value));
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

/// Device memory, or what stands in for it: exactly so many values, beginning `skew` values after where packets may
/// begin. They begin as NaNs.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count, std::size_t skew = 0)
      : count_(count), memory_(platform::allocate((count + skew) * sizeof(T)), platform::release) {
    values_ = static_cast<T*>(memory_.get()) + skew;
    std::memset(static_cast<void*>(values_), 0xFF, count * sizeof(T));
  }
  Buffer(const Values& from, std::size_t skew) : Buffer(from.size(), skew) {
    for (std::size_t i = 0; i < count_; ++i) values_[i] = rounded<T>(from[i]);
  }

  T* get() const { return values_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) const { return values_[i]; }
  Values values() const {
    Values to;
    for (std::size_t i = 0; i < count_; ++i) to.push_back(toDouble(values_[i]));
    return to;
  }

 private:
  std::size_t count_;
  std::unique_ptr<void, void (*)(void*)> memory_;
  T* values_ = nullptr;
};

/// Normal values, rounded to T.
template <class T>
Values drawn(std::mt19937& random, std::size_t count, double mean = 0, double deviation = 1) {
  std::normal_distribution<double> normal(mean, deviation);
  Values to;
  for (std::size_t i = 0; i < count; ++i) to.push_back(toDouble(rounded<T>(normal(random))));
  return to;
}

/// Half the distance of neighbouring values, relative: what one rounding may cost.
template <class T>
constexpr double kRounding = std::is_same_v<T, __half>          ? 0x1p-11
                             : std::is_same_v<T, __nv_bfloat16> ? 0x1p-8
                                                                : 0x1p-24;
/// Below its normal numbers, __half's values lie this far apart.
template <class T>
constexpr double kSmallest = std::is_same_v<T, __half> ? 0x1p-25 : 0;

inline double rootMeanSquare(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return values.empty() ? 0 : std::sqrt(sum / static_cast<double>(values.size()));
}

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws where a value is further from what is expected than the arithmetic's error, `tolerance` of the larger of
/// its own size and `sizes`, that of the terms which it comes from, and one rounding to T.
template <class T>
void expectClose(const std::string& what, const Values& got, const Values& expected, double tolerance,
                 const Values& sizes) {
  if (got.size() != expected.size()) throw Wrong(what + ": another number of values");
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(got[i]) && std::isnan(expected[i])) continue;
    const double own = std::abs(expected[i]);
    const double allowed = tolerance * std::max(own, sizes[i]) + kRounding<T> * own * (1 + tolerance) + kSmallest<T>;
    if (std::abs(got[i] - expected[i]) <= allowed) continue;
    throw Wrong(what + "[" + std::to_string(i) + "] of " + std::to_string(got.size()) + ": " +
                std::to_string(got[i]) + " and not " + std::to_string(expected[i]) + ", allowed " +
                std::to_string(allowed));
  }
}

/// The terms being as large as all values, their root mean square.
template <class T>
void expectClose(const std::string& what, const Values& got, const Values& expected, double tolerance = 1e-5) {
  expectClose<T>(what, got, expected, tolerance, Values(expected.size(), rootMeanSquare(expected)));
}

inline void expectSame(const std::string& what, const Values& got, const Values& expected) {
  if (got.size() != expected.size()) throw Wrong(what + ": another number of values");
  for (std::size_t i = 0; i < got.size(); ++i)
    if (got[i] != expected[i])
      throw Wrong(what + "[" + std::to_string(i) + "]: " + std::to_string(got[i]) + " and not " +
                  std::to_string(expected[i]));
}

inline void expectTrue(const std::string& what, bool holds) {
  if (!holds) throw Wrong(what);
}

/// Calls test(T{}, name) for each type that kernels store values in.
template <class Test>
void forEachType(Test test) {
  test(float{}, "float");
  test(__half{}, "half");
  test(__nv_bfloat16{}, "bfloat16");
}

// One a file: all its shapes; data are drawn from `random`. Answers the number of cases.
int testFold(std::mt19937& random);
int testGrids(std::mt19937& random);
int testImages(std::mt19937& random);
int testNorm(std::mt19937& random);
int testPool(std::mt19937& random);
int testLoss(std::mt19937& random);
int testOptimizer(std::mt19937& random);
