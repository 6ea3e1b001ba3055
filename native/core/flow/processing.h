#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/flow/normalization.h"
#include "core/flow/policy_runner.h"
#include "core/flow/policy_spec.h"

namespace dsrl {

/// Raw observations of a batch. Tokens, masks and pictures that are to be resized are best left on
/// the host: there the runner can look at the masks, and PIL's resampler works there.
struct PolicyObservation {
  std::vector<at::Tensor> images;  // a tensor a camera, uint8 [B, H, W, 3], upright, RGB
  at::Tensor states;               // float32 [B, state_dim], raw
  at::Tensor tokens;               // int64 [B, L]
  at::Tensor token_mask;           // bool [B, L]
  at::Tensor image_masks;          // bool [B, N], or undefined: every picture is seen
};

/// What stands between a robot and policy.pt, as policy.json says it: pictures, state and actions.
class PolicyProcessing {
 public:
  PolicyProcessing(const PolicySpec& spec, at::Device device);

  /// The network's inputs for a batch, pictures and state on the device.
  /// Throws ERR_DSRL_OBSERVATION, naming the tensor, what was expected and what was found.
  NetworkInputs inputs(const PolicyObservation& observation) const;

  /// The robot's actions float32 [B * M, H, action_dim] for the network's [B * M, H, D]:
  /// un-normalised, and added to the raw states float32 [B, state_dim] where they are offsets.
  at::Tensor actions(const at::Tensor& normalized, const at::Tensor& states) const;

 private:
  void check(const PolicyObservation& observation) const;
  at::Tensor pictures(const at::Tensor& images) const;

  const PolicySpec spec_;
  at::Device device_;
  Normalization state_, actions_;
  at::Tensor delta_mask_;  // float64 [action_dim], or undefined
};

}  // namespace dsrl
