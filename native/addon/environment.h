#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/compute_thread.h"
#include "addon/tensor_ledger.h"
#include "core/error.h"

namespace dsrl::addon {

/// What one Node environment (the main thread or a worker) owns: its constructors and its
/// inference thread, on which agents act, policies sample and environments step.
struct Environment {
  Napi::FunctionReference tensor;
  Napi::FunctionReference agent;
  Napi::FunctionReference replay;
  Napi::FunctionReference policy;
  /// Shared with every handle: at the environment's end handles may be finalised after this.
  std::shared_ptr<TensorLedger> ledger = std::make_shared<TensorLedger>();
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
    void* handle = nullptr;
    if (napi_unwrap(value.Env(), value, &handle) == napi_ok) return *static_cast<T*>(handle);
    throw Error("ERR_DSRL_DISPOSED", std::string(what) + " has been disposed");
  }
  throw Error("ERR_DSRL_HANDLE", std::string(what) +
                                     " is no such handle of this thread: handles are not sent "
                                     "between threads, their values are");
}

}  // namespace dsrl::addon
