#pragma once

#include <napi.h>

namespace resnet_torch::binding {

/// Everything that src/native/binding.ts declares.
Napi::Object registerAll(Napi::Env env, Napi::Object exports);

// One function a file of this folder, or two.
Napi::Function defineCancelToken(Napi::Env env);
Napi::Function defineModel(Napi::Env env);
Napi::Function defineSession(Napi::Env env);
Napi::Function defineFileList(Napi::Env env);
Napi::Function defineFeatureCache(Napi::Env env);
Napi::Function defineImageCache(Napi::Env env);
Napi::Function defineLoader(Napi::Env env);
Napi::Function definePredictor(Napi::Env env);
Napi::Function defineScanImages(Napi::Env env);
Napi::Function defineTryLock(Napi::Env env);
Napi::Function defineStartProfile(Napi::Env env);
Napi::Function defineStopProfile(Napi::Env env);

}  // namespace resnet_torch::binding
