#include "core/cpu.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif
#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace resnet_torch {

#ifdef __x86_64__
namespace {

bool hasAvx512Bf16() {
  constexpr unsigned kBit = 1U << 5;  // leaf 7.1, EAX
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kBit);
}

}  // namespace
#endif

int usableCores() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

bool hasAmxBf16() {
#ifdef __x86_64__
  constexpr unsigned kBit = 1U << 22;  // leaf 7.0, EDX
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kBit);
#else
  return false;
#endif
}

bool hasFastBf16() {
#ifdef __x86_64__
  if (!__builtin_cpu_supports("avx512f")) return false;  // the operating system's consent included
  return hasAmxBf16() || hasAvx512Bf16();
#else
  return false;
#endif
}

namespace {

VectorSet supportedSet() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    return hasAvx512Bf16() ? VectorSet::kAvx512Bf16 : VectorSet::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return VectorSet::kAvx2;
#endif
  return VectorSet::kBase;
}

/// The most that libtorch's own variable allows.
VectorSet allowedSet() {
  const char* given = std::getenv("ATEN_CPU_CAPABILITY");
  const std::string_view name = given ? given : "";
  if (name == "default") return VectorSet::kBase;
  if (name == "avx2") return VectorSet::kAvx2;
  return name == "avx512" ? VectorSet::kAvx512 : VectorSet::kAvx512Bf16;
}

}  // namespace

VectorSet vectorSet() {
  return std::min(supportedSet(), allowedSet());
}

}  // namespace resnet_torch
