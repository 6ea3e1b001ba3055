#pragma once

#include <napi.h>

#include <memory>

#include "core/env/tabletop.h"
#include "core/flow/frozen_policy.h"

namespace dsrl::addon {

/// A frozen policy; samples on the environment's inference thread.
class PolicyHandle : public Napi::ObjectWrap<PolicyHandle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit PolicyHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value Sample(const Napi::CallbackInfo& info);
  Napi::Value ParameterCount(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<FrozenPolicy> policy() const;  // throws ERR_DSRL_DISPOSED

  std::shared_ptr<FrozenPolicy> policy_;  // none after dispose(); a running job has its own
};

/// A VecEnv backend. stepChunk runs on the inference thread; restore, observe and the state calls
/// run at once, and must not be made while a chunk is under way (ERR_DSRL_BUSY).
class TabletopHandle : public Napi::ObjectWrap<TabletopHandle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit TabletopHandle(const Napi::CallbackInfo& info);

 private:
  struct State;
  Napi::Value NumEnvs(const Napi::CallbackInfo& info);
  Napi::Value NumTasks(const Napi::CallbackInfo& info);
  Napi::Value NumTrials(const Napi::CallbackInfo& info);
  Napi::Value ActionDim(const Napi::CallbackInfo& info);
  void Restore(const Napi::CallbackInfo& info);
  Napi::Value Observe(const Napi::CallbackInfo& info);
  Napi::Value StepChunk(const Napi::CallbackInfo& info);
  Napi::Value SaveState(const Napi::CallbackInfo& info);
  void LoadState(const Napi::CallbackInfo& info);
  std::shared_ptr<State> state_;
};

}  // namespace dsrl::addon
