#include "core/env/vec_env.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_ENV_INPUT", message);
}

}  // namespace

at::Tensor empty_frames(const VecEnv& env, const std::string& backend,
                        const std::vector<uint8_t>& filmed, int64_t chunk, int64_t size) {
  if (!filmed.empty() && filmed.size() != static_cast<size_t>(env.num_envs())) {
    refuse(backend + ": filmed must say yes or no for each environment");
  }
  const auto count = std::ranges::count_if(filmed, [](uint8_t yes) { return yes != 0; });
  if (count == 0) return {};
  if (size == 0) refuse(backend + ": it was made without a size for frames");
  return at::zeros({count, chunk, size, size, 3}, at::kByte);
}

ExpertStep VecEnv::expert_step(const std::vector<int32_t>&) {
  refuse("this environment has no scripted expert");
}

at::Tensor checked_actions(const VecEnv& env, const std::string& backend, const at::Tensor& actions,
                           const std::vector<int32_t>& limit) {
  const int64_t envs = env.num_envs(), width = env.action_dim();
  if (!actions.defined() || actions.dim() != 3 || actions.size(0) != envs ||
      actions.size(2) != width || !actions.is_cpu() ||
      (actions.scalar_type() != at::kFloat && actions.scalar_type() != at::kDouble)) {
    refuse(backend + ": actions must be float32 or float64 [" + std::to_string(envs) + ", C, " +
           std::to_string(width) + "] on the host");
  }
  if (limit.size() != static_cast<size_t>(envs)) {
    refuse(backend + ": one step limit an environment is needed");
  }
  const int64_t chunk = actions.size(1);
  const at::Tensor packed = actions.to(at::kDouble).contiguous();
  const double* value = packed.const_data_ptr<double>();
  for (int64_t e = 0; e < envs; ++e, value += chunk * width) {
    const int32_t steps = limit[static_cast<size_t>(e)];
    if (steps < 0 || steps > chunk) refuse(backend + ": a step limit is outside [0, C]");
    for (int64_t i = 0; i < steps * width; ++i) {
      if (std::isfinite(value[i])) continue;
      refuse(backend + ": action " + std::to_string(i % width) + " of step " +
             std::to_string(i / width) + " of environment " + std::to_string(e) + " is not finite");
    }
  }
  return packed;
}

}  // namespace dsrl
