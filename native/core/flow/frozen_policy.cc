#include "core/flow/frozen_policy.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <utility>

#include "core/error.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

PolicySpec checked(PolicySpec spec) {
  check_spec(spec);
  return spec;
}

// The rows with a value that is not finite, as "0, 3"; empty if there is none.
std::string rows_not_finite(const at::Tensor& tensor) {
  const at::Tensor rows =
      tensor.flatten(1).isfinite().all(1).logical_not().nonzero().flatten().cpu();
  constexpr int64_t kMost = 8;
  std::string text;
  for (int64_t i = 0; i < rows.numel() && i < kMost; ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(rows[i].item<int64_t>());
  }
  return text + (rows.numel() > kMost ? ", ..." : "");
}

}  // namespace

void require_finite(const at::Tensor& actions, const at::Tensor& states, const at::Tensor& noise) {
  if (actions.isfinite().all().item<bool>()) return;
  std::string message =
      "the frozen policy's actions are not finite in rows " + rows_not_finite(actions);
  for (const auto& [name, input] : {std::pair("states", states), std::pair("noise", noise)}) {
    const std::string rows = rows_not_finite(input);
    if (!rows.empty()) {
      message += std::string("; of its inputs, ") + name + " is not finite in rows " + rows;
    }
  }
  throw Error("ERR_DSRL_POLICY_NOT_FINITE", message);
}

FrozenPolicy::FrozenPolicy(const std::string& path, PolicySpec spec, at::Device device)
    : spec_(checked(std::move(spec))), processing_(spec_, device), runner_(path, spec_, device) {}

at::Tensor FrozenPolicy::tiled(const at::Tensor& noise) const {
  if (!noise.defined() || noise.dim() != 2) return noise;
  if (noise.scalar_type() != at::kFloat || noise.size(1) != spec_.noise_dim) {
    throw Error("ERR_DSRL_OBSERVATION",
                "the frozen policy expects noise " +
                    shape_text(at::kFloat, {noise.size(0), spec_.noise_dim}) + ", found " +
                    shape_text(noise));
  }
  return noise.unsqueeze(1).expand({-1, spec_.horizon, -1}).contiguous();
}

at::Tensor FrozenPolicy::launch(const PolicyObservation& observation, const at::Tensor& noise,
                                int64_t num_steps, const StopRequest& stop) const {
  const c10::InferenceMode inference;
  const NetworkInputs inputs = processing_.inputs(observation);
  const at::Tensor normalized =
      runner_.sample(inputs, tiled(noise), num_steps == 0 ? spec_.num_steps : num_steps, stop);
  return processing_.actions(normalized, observation.states);
}

at::Tensor FrozenPolicy::sample(const PolicyObservation& observation, const at::Tensor& noise,
                                int64_t num_steps, const StopRequest& stop) const {
  at::Tensor actions = launch(observation, noise, num_steps, stop);
  require_finite(actions, observation.states, noise);
  return actions;
}

}  // namespace dsrl
