#include "cuda/loss_rows.cuh"

namespace resnet_torch::cuda {

namespace {

__global__ void __launch_bounds__(kThreads)
    sumOfRows(const RowResult* rows, std::int64_t count, BatchResult* results, const int* slot) {
  double loss = 0;
  int top1 = 0, top5 = 0;
  for (auto row = static_cast<std::int64_t>(threadIdx.x); row < count; row += kThreads) {
    loss += rows[row].loss;
    top1 += rows[row].rank < 1 ? 1 : 0;
    top5 += rows[row].rank < 5 ? 1 : 0;
  }
  loss = blockSum(loss);
  top1 = blockSum(top1);
  top5 = blockSum(top5);
  if (threadIdx.x != 0) return;
  auto& to = results[slot ? *slot : 0];
  to.loss = static_cast<float>(loss);
  to.top1 = top1;
  to.top5 = top5;
  to.images = static_cast<std::int32_t>(count);
}

}  // namespace

std::size_t lossWorkspace(std::int64_t rows) {
  return static_cast<std::size_t>(rows) * sizeof(RowResult);
}

void finishLoss(const RowResult* rows, std::int64_t count, BatchResult* results, const int* slot,
                const Context& context) {
  launch(sumOfRows, dim3(1), dim3(kThreads), context.stream, rows, count, results, slot);
}

}  // namespace resnet_torch::cuda
