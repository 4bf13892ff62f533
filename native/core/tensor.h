#pragma once

// The precompiled header of every file that computes with tensors.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#if defined(__GNUC__) && !defined(__clang__) && AT_PARALLEL_OPENMP && !defined(INTRA_OP_PARALLEL)
#error "Without -fopenmp at::parallel_for runs on one thread"
#endif
