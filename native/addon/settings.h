#pragma once

#include <napi.h>

#include "core/flow/policy_spec.h"
#include "core/sac/config.h"

namespace dsrl::addon {

/// JavaScript objects with the field names of lib/native/binding.ts, as the core's structs.
/// A missing or mistyped field is a TypeError that names it.
NetworkConfig network_config(const Napi::Object& sizes);
LearnerConfig learner_config(const Napi::Object& settings);
PolicySpec policy_spec(const Napi::Object& spec);

/// A 64-bit seed, given as a BigInt.
uint64_t seed_argument(const Napi::Value& value);

}  // namespace dsrl::addon
