#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "data/image.h"

namespace resnet_torch::data {

/// Scans images on `workers` threads and returns at once. `progress` gets the number of files done, now and then and
/// in no certain order between threads; `finished` is called once, on a worker thread or at once, with the results in
/// the order of the list, or with ERR_ABORTED when cancelled.
void scanImages(std::shared_ptr<const FileList> files, int workers, CancelFlagPtr cancel,
                std::function<void(std::size_t done)> progress,
                std::function<void(std::vector<ScannedImage>, std::exception_ptr)> finished);

}  // namespace resnet_torch::data
