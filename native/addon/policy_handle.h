#pragma once

#include <napi.h>

#include <memory>

#include "core/flow/frozen_policy.h"

namespace dsrl::addon {

/// A frozen policy; it is loaded and samples on the environment's inference thread.
class PolicyHandle : public Napi::ObjectWrap<PolicyHandle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit PolicyHandle(const Napi::CallbackInfo& info);

 private:
  static Napi::Value Load(const Napi::CallbackInfo& info);
  Napi::Value Sample(const Napi::CallbackInfo& info);     // actions as a handle
  Napi::Value Infer(const Napi::CallbackInfo& info);      // as a typed array
  Napi::Value InferSync(const Napi::CallbackInfo& info);  // in one that is given
  Napi::Value SampleFile(const Napi::CallbackInfo& info);
  Napi::Value ParameterCount(const Napi::CallbackInfo& info);
  Napi::Value ParameterChecksums(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<FrozenPolicy> policy() const;  // throws ERR_DSRL_DISPOSED

  std::shared_ptr<FrozenPolicy> policy_;  // none after dispose(); a running job has its own
};

}  // namespace dsrl::addon
