#pragma once

#include "binding/async.h"
#include "binding/model.h"
#include "train/pipeline.h"

namespace resnet_torch::binding {

/// `NativeModel` of src/native/contract/model.ts. Its methods lie by subject in the files model*.cc.
class Model final : public Napi::ObjectWrap<Model> {
 public:
  explicit Model(const Napi::CallbackInfo& info);

  void Finalize(Napi::Env env) override { letGo(env); }

  std::shared_ptr<model::Network> model() const {
    if (!model_) throw Error("ERR_DISPOSED", "The model was disposed of");
    return model_;
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Model",
                       {InstanceMethod<&Model::tensors>("tensors"), InstanceMethod<&Model::allocate>("allocate"),
                        InstanceMethod<&Model::load>("load"), InstanceMethod<&Model::read>("read"),
                        InstanceMethod<&Model::readFolded>("readFolded"), InstanceMethod<&Model::write>("write"),
                        InstanceMethod<&Model::forward>("forward"), InstanceMethod<&Model::evaluate>("evaluate"),
                        InstanceMethod<&Model::save>("save"), InstanceMethod<&Model::prefixHash>("prefixHash"),
                        InstanceMethod<&Model::dispose>("dispose")});
  }

 private:
  Napi::Value tensors(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value readFolded(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value prefixHash(const Napi::CallbackInfo& info);

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    letGo(info.Env());
    return info.Env().Undefined();
  }

  void letGo(Napi::Env env) {
    if (!model_) return;
    auto& executor = executorOf(*model_);
    releaseOn(executor, std::move(feed_));
    releaseOn(executor, std::move(model_));
    model_.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
  }

  std::shared_ptr<model::Network> model_;
  std::shared_ptr<train::Feed> feed_;  ///< of evaluations
  std::int64_t bytes_ = 0;
};

}  // namespace resnet_torch::binding
