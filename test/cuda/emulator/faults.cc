// What the emulator must do, and must not let pass.
#include <emulator.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <map>

namespace cuda = resnet_torch::cuda;

namespace {

constexpr int kThreads = 96;

/// The sum of 0 … kThreads − 1 by halves, with what is asked for left out.
template <bool barrier>
__global__ void sumByHalves(int* result) {
  RESNET_TORCH_SHARED(int, values, 128);
  const int thread = static_cast<int>(threadIdx.x);
  values[thread] = thread;
  if (thread < 128 - kThreads) values[kThreads + thread] = 0;
  for (int half = 64; half > 0; half /= 2) {
    if (barrier || half != 16) __syncthreads();
    if (thread < half) values[thread] += values[thread + half];
  }
  if (thread == 0) *result = values[0];
}

__global__ void sumByShuffles(int* result) {
  int value = static_cast<int>(threadIdx.x);
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(0xffffffff, value, bits);
  if (threadIdx.x % 32 == 0) atomicAdd(result, value);
}

__global__ void shuffles(int* result) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int next = __shfl_down_sync(0xffffffff, lane, 1), first = __shfl_sync(0xffffffff, lane + 7, 8, 16);
  const unsigned even = __ballot_sync(0xffffffff, lane % 2 == 0);
  const bool right = next == (lane == 31 ? 31 : lane + 1) && first == (lane < 16 ? 15 : 31) && even == 0x55555555;
  if (right) atomicAdd(result, 1);
}

/// Threads of half a warp, which one mask names alone.
__global__ void halfWarps(int* result) {
  const unsigned mask = threadIdx.x % 32 < 16 ? 0x0000ffff : 0xffff0000;
  const int sum = __shfl_xor_sync(mask, 1, 8) + __shfl_xor_sync(mask, 1, 1);
  atomicAdd(result, sum);
}

__global__ void narrowMask(int* result) {
  *result = __shfl_xor_sync(0x0000ffff, 1, 1);
}

__global__ void maskOfAbsentLanes(int* result) {
  if (threadIdx.x % 32 < 16) *result = __shfl_xor_sync(0xffffffff, 1, 1);
}

__global__ void readBeyondMask(int* result) {
  if (threadIdx.x % 32 < 16) *result = __shfl_xor_sync(0x0000ffff, 1, 16);
}

__global__ void laneThatNeverComes(int* result) {
  if (threadIdx.x % 32 < 16) *result = __shfl_xor_sync(0xffffffff, 1, 1);
  __syncthreads();
}

__global__ void barrierAfterExit(int* result) {
  if (threadIdx.x == 5) return;
  __syncthreads();
  *result = 1;
}

__global__ void differentBarriers(int* result) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  *result = 1;
}

__global__ void uninitialised(int* result) {
  RESNET_TORCH_SHARED(int, values, kThreads);
  if (threadIdx.x > 0) values[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 1) *result = values[0];
}

/// Written by the first block, which comes first or not, and read by all.
__global__ void leftByAnotherBlock(int* result) {
  RESNET_TORCH_SHARED(int, values, 1);
  if (blockIdx.x == 0 && threadIdx.x == 0) values[0] = 1;
  __syncthreads();
  if (threadIdx.x == 0) *result = values[0];
}

__global__ void beyondShared(int* result) {
  RESNET_TORCH_SHARED(int, values, kThreads);
  values[threadIdx.x + 1] = 1;
  *result = 1;
}

/// A sum over blocks, of which the last to come tells the result; with what is asked for left out.
template <bool fence, bool barrier>
__global__ void lastBlock(int* result) {
  static int parts[8];
  static unsigned arrivals = 0;
  RESNET_TORCH_SHARED(unsigned, arrived, 1);
  if (threadIdx.x == 7) parts[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
  if (fence || threadIdx.x != 7) __threadfence();
  if (barrier) __syncthreads();
  if (threadIdx.x == 0) arrived[0] = atomicInc(&arrivals, gridDim.x - 1);
  __syncthreads();
  if (arrived[0] != gridDim.x - 1 || threadIdx.x != 0) return;
  for (unsigned i = 0; i < gridDim.x; ++i) *result += parts[i];
}

__global__ void order(int* result) {
  if (threadIdx.x == 0 || *result == 0) *result = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
}

int launched(void (*kernel)(int*), unsigned blocks = 3, unsigned threads = kThreads) {
  int result = 0;
  cuda::launch(kernel, dim3(blocks), dim3(threads), nullptr, &result);
  return result;
}

void report(const std::function<int()>& kernel, unsigned seed) {
  emulator::random().seed(seed);
  try {
    std::printf("%d\n", kernel());
  } catch (const emulator::Fault& fault) {
    std::printf("fault: %s\n", fault.what());
  }
}

/// After a fault the emulator is of no further use. A process is quicker made from this one than begun anew.
bool inProcessOfItsOwn(const std::function<void()>& work) {
  const auto child = ::fork();
  if (child == 0) {
    work();
    std::fflush(stdout);
    ::_exit(0);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

/// faults <kernel> <seed>...: a line for each seed, what the kernel came to or what was wrong.
int main(int count, char** words) {
  const std::map<std::string, std::function<int()>> kernels = {
      {"sumByHalves", [] { return launched(sumByHalves<true>); }},
      {"sumByShuffles", [] { return launched(sumByShuffles, 1); }},
      {"shuffles", [] { return launched(shuffles); }},
      {"halfWarps", [] { return launched(halfWarps, 1); }},
      {"lastBlock", [] { return launched(lastBlock<true, true>) + launched(lastBlock<true, true>, 5); }},
      {"blockWithoutFence", [] { return launched(lastBlock<false, true>); }},
      {"blockWithoutBarrier", [] { return launched(lastBlock<true, false>); }},
      {"order", [] { return launched(order, 7); }},
      {"missingBarrier", [] { return launched(sumByHalves<false>); }},
      {"narrowMask", [] { return launched(narrowMask); }},
      {"maskOfAbsentLanes", [] { return launched(maskOfAbsentLanes); }},
      {"readBeyondMask", [] { return launched(readBeyondMask); }},
      {"laneThatNeverComes", [] { return launched(laneThatNeverComes); }},
      {"laneBeyondBlock", [] { return launched(sumByShuffles, 1, 48); }},
      {"barrierAfterExit", [] { return launched(barrierAfterExit); }},
      {"differentBarriers", [] { return launched(differentBarriers); }},
      {"uninitialised", [] { return launched(uninitialised); }},
      {"leftByAnotherBlock", [] { return launched(leftByAnotherBlock); }},
      {"beyondShared", [] { return launched(beyondShared); }},
      {"emptyGrid", [] { return launched(order, 0); }},
      {"largeBlock", [] { return launched(order, 1, 1056); }},
  };
  if (count < 3 || !kernels.contains(words[1])) return 2;
  for (int i = 2; i < count; ++i)
    if (!inProcessOfItsOwn([&] { report(kernels.at(words[1]), static_cast<unsigned>(std::stoul(words[i]))); }))
      return 1;
}
