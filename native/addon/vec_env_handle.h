#pragma once

#include <napi.h>

#include <memory>

#include "addon/disposable.h"
#include "core/env/vec_env.h"

namespace dsrl::addon {

/// Any VecEnv backend, made by its kind. stepChunk runs on the inference thread; restore, observe
/// and the state calls run at once, and must not be made while a chunk is under way
/// (ERR_DSRL_BUSY).
class VecEnvHandle : public Napi::ObjectWrap<VecEnvHandle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit VecEnvHandle(const Napi::CallbackInfo& info);

 private:
  struct State;
  void Restore(const Napi::CallbackInfo& info);
  Napi::Value Observe(const Napi::CallbackInfo& info);
  Napi::Value StepChunk(const Napi::CallbackInfo& info);
  Napi::Value Interior(const Napi::CallbackInfo& info);
  Napi::Value ExpertStep(const Napi::CallbackInfo& info);
  Napi::Value SaveState(const Napi::CallbackInfo& info);
  void LoadState(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);
  template <int64_t (VecEnv::*size)() const>
  Napi::Value Size(const Napi::CallbackInfo& info);

  Disposable<State> state_{"environment"};
};

}  // namespace dsrl::addon
