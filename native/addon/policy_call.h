#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <functional>
#include <memory>

#include "addon/compute_thread.h"
#include "core/flow/frozen_policy.h"

namespace dsrl::addon {

/// True once `cancellation` was asked for, or the process goes down.
StopRequest stop_request(const Napi::Value& cancellation, const ComputeThread& thread);

/// The sample that a call's first four arguments ask for: inputs, noise, numSteps and cancellation,
/// as RawFrozenPolicy of lib/native/binding.ts names them. Values of JavaScript are copied here,
/// once: the caller may do with its arrays what it likes, and the job holds native memory only.
std::function<at::Tensor()> policy_call(const Napi::CallbackInfo& info,
                                        const std::shared_ptr<FrozenPolicy>& policy,
                                        const ComputeThread& thread);

}  // namespace dsrl::addon
