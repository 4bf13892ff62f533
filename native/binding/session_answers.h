#pragma once

#include <napi.h>

#include <vector>

#include "train/run.h"

namespace resnet_torch::binding {

// What a session answers, as the contract has it.

Napi::Array toNotes(Napi::Env env, const std::vector<train::Note>& notes);
/// `NativeChunk`
Napi::Value chunkObject(Napi::Env env, const train::Chunk& chunk);
/// `{ loss, correct }`
Napi::Object stepObject(Napi::Env env, const train::StepResult& result);

}  // namespace resnet_torch::binding
