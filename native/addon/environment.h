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
///
/// What postMessage makes of a handle is an object without its native half: that is how one of
/// another thread looks here. A handle whose environment is another one belongs to a second copy of
/// the package in this process.
template <typename T>
T& unwrap(const Napi::Value& value, const char* what) {
  const Napi::Env env = value.Env();
  bool matches = false;
  void* handle = nullptr;
  const bool object = value.IsObject();
  const bool held = object && napi_unwrap(env, value, &handle) == napi_ok;
  if (object && napi_check_object_type_tag(env, value, &T::kTag, &matches) == napi_ok && matches) {
    if (!held) throw Error("ERR_DSRL_DISPOSED", std::string(what) + " has been disposed");
    T& own = *static_cast<T*>(handle);
    if (static_cast<napi_env>(own.Env()) == static_cast<napi_env>(env)) return own;
    throw Error("ERR_DSRL_HANDLE",
                std::string(what) + " is a handle of another copy of this package");
  }
  if (object && !held) {
    throw Error("ERR_DSRL_WRONG_THREAD",
                std::string(what) +
                    " has no native half in this thread: handles are not sent between threads");
  }
  throw Error("ERR_DSRL_HANDLE", std::string(what) + " is no such handle");
}

}  // namespace dsrl::addon
