#include "binding/session_answers.h"

#include "binding/arguments.h"
#include "binding/loader.h"
#include "binding/path_text.h"

namespace resnet_torch::binding {

Napi::Array toNotes(Napi::Env env, const std::vector<train::Note>& notes) {
  auto array = Napi::Array::New(env, notes.size());
  for (std::size_t i = 0; i < notes.size(); ++i) {
    auto note = Napi::Object::New(env);
    note.Set("code", notes[i].code);
    note.Set("message", pathText(env, notes[i].message));
    array.Set(static_cast<std::uint32_t>(i), note);
  }
  return array;
}

Napi::Value chunkObject(Napi::Env env, const train::Chunk& chunk) {
  auto object = Napi::Object::New(env);
  object.Set("steps", static_cast<double>(chunk.losses.size()));
  object.Set("losses", typedArray<Napi::Float64Array>(env, chunk.losses));
  object.Set("images", typedArray<Napi::Int32Array>(env, chunk.images));
  object.Set("correct", typedArray<Napi::Int32Array>(env, chunk.correct));
  object.Set("failures", toFailures(env, chunk.failures));
  object.Set("skippedSteps", static_cast<double>(chunk.skippedSteps));
  object.Set("notes", toNotes(env, chunk.notes));
  object.Set("exhausted", chunk.exhausted);
  object.Set("waitMs", chunk.waitMs);
  object.Set("stepMs", chunk.stepMs);
  return object;
}

Napi::Object stepObject(Napi::Env env, const train::StepResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("correct", static_cast<double>(result.correct));
  return object;
}

}  // namespace resnet_torch::binding
