#pragma once

#include "model/aten.h"

namespace resnet_torch::model {

/// Whether all values of a tensor on the CPU are finite: one sweep over its memory, which is as fast as memory where
/// it is without gaps. Integers are.
bool allFinite(const at::Tensor& values);

/// Of a tensor of any device, waiting for it.
bool allFiniteAnywhere(const at::Tensor& values);

/// The rows, of the first dimension, that hold values that are not finite, in order.
std::vector<std::int64_t> rowsNotFinite(const at::Tensor& values);

/// Whether aᵀ·b of [n, p] and [n, q] is finite for certain, from the largest values of both: of matrices that are
/// small beside their product.
bool surelyFiniteProduct(const at::Tensor& a, const at::Tensor& b);

}  // namespace resnet_torch::model
