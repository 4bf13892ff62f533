#include <napi.h>

#include "binding/registration.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  return resnet_torch::binding::registerAll(env, exports);
}

}  // namespace

NODE_API_MODULE(resnet_torch, init)
