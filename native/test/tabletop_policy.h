#pragma once

#include <ATen/ATen.h>

#include <string>

#include "core/env/tabletop.h"
#include "core/flow/frozen_policy.h"
#include "json.h"

namespace dsrl::test {

inline const std::string kTabletopFolder = DSRL_SOURCE_DIR "/policies/tabletop/";
inline const std::string kTabletopPolicy = kTabletopFolder + "policy.pt";

/// policy.json of the policy that ships, as lib/policy hands it to the core.
inline PolicySpec tabletop_policy_spec() {
  const Json json = Json::read(kTabletopFolder + "policy.json");
  const auto whole = [&](const char* name) { return static_cast<int64_t>(json[name].number); };
  const Json& normalization = json["normalization"];
  PolicySpec spec{};
  spec.horizon = whole("horizon");
  spec.noise_dim = whole("noise_dim");
  spec.state_dim = whole("state_dim");
  spec.action_dim = whole("action_dim");
  spec.num_steps = whole("num_steps");
  spec.num_cameras = static_cast<int64_t>(json["cameras"].items.size());
  spec.image_size = whole("image_size");
  spec.prompt_length = whole("prompt_length");
  spec.normalization_eps = normalization["eps"].number;
  spec.state.mean = normalization["state"]["mean"].numbers();
  spec.state.std = normalization["state"]["std"].numbers();
  spec.actions.mean = normalization["actions"]["mean"].numbers();
  spec.actions.std = normalization["actions"]["std"].numbers();
  return spec;
}

/// The starts of task e % 4, trial e, with the prompt "tidy".
inline PolicyObservation tabletop_observation(int64_t envs) {
  Tabletop tabletop(envs, 0, 64);
  for (int64_t env = 0; env < envs; ++env) tabletop.restore(env, env % 4, env);
  const EnvObservation shown = tabletop.observe();
  const at::Tensor tokens = at::tensor({2, 119, 108, 103, 124, 13}, at::kLong);
  return {{shown.images.at("main")},
          shown.states,
          tokens.unsqueeze(0).repeat({envs, 1}),
          at::ones({envs, 6}, at::kBool),
          {}};
}

}  // namespace dsrl::test
