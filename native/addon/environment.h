#pragma once

#include <napi.h>

#include <memory>

#include "addon/compute_thread.h"

namespace dsrl::addon {

/// What one Node environment (the main thread or a worker) owns: its constructors and its
/// inference thread, on which agents act, policies sample and environments step.
struct Environment {
  Napi::FunctionReference tensor;
  Napi::FunctionReference agent;
  Napi::FunctionReference replay;
  std::unique_ptr<ComputeThread> inference_thread;

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
  ComputeThread& inference(Napi::Env env) {
    if (!inference_thread) inference_thread = std::make_unique<ComputeThread>(env);
    return *inference_thread;
  }
};

/// Unwraps an argument that must be a handle of class T; instanceof would lie across realms, so
/// handles carry a type tag.
template <typename T>
T& unwrap(const Napi::Value& value, const char* what) {
  bool matches = false;
  if (value.IsObject() &&
      napi_check_object_type_tag(value.Env(), value, &T::kTag, &matches) == napi_ok && matches) {
    return *T::Unwrap(value.As<Napi::Object>());
  }
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not a handle of this library");
}

}  // namespace dsrl::addon
