#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "core/flow/policy_runner.h"
#include "core/flow/policy_spec.h"
#include "core/flow/processing.h"

namespace dsrl {

/// A frozen policy: raw observations and noise in, robot actions out. Its weights never change and
/// it holds no random numbers. One thread at a time may call it.
class FrozenPolicy {
 public:
  /// Throws ERR_DSRL_POLICY_SPEC if `spec` contradicts itself, and what PolicyRunner throws.
  FrozenPolicy(const std::string& path, PolicySpec spec, at::Device device);

  /// Actions [B * M, H, action_dim], float32 on the policy's device, un-normalised.
  /// noise: float32 [B * M, noise_dim] (each tiled over the horizon) or [B * M, H, noise_dim]: M
  /// noises for each of the B observations, those of one observation adjacent. M noises cost one
  /// prefix. `num_steps` 0: the spec's.
  /// Reads nothing from the device. Throws ERR_DSRL_OBSERVATION naming expected and found,
  /// ERR_DSRL_CANCELLED.
  at::Tensor launch(const PolicyObservation& observation, const at::Tensor& noise,
                    int64_t num_steps = 0, const StopRequest& stop = {}) const;

  /// `launch`, and a look at the result: ERR_DSRL_POLICY_NOT_FINITE names the rows that are not
  /// finite and what of their inputs is not.
  at::Tensor sample(const PolicyObservation& observation, const at::Tensor& noise,
                    int64_t num_steps = 0, const StopRequest& stop = {}) const;

  const PolicySpec& spec() const { return spec_; }
  const PolicyRunner& runner() const { return runner_; }

 private:
  // [R, D] -> [R, H, D]; noise of three dimensions as it is.
  at::Tensor tiled(const at::Tensor& noise) const;

  PolicySpec spec_;
  PolicyProcessing processing_;
  PolicyRunner runner_;
};

/// Throws ERR_DSRL_POLICY_NOT_FINITE unless every one of `actions` [R, ...] is finite; the message
/// names the rows, and those of `states` [B, ...] and `noise` [R, ...] that were not finite.
void require_finite(const at::Tensor& actions, const at::Tensor& states, const at::Tensor& noise);

}  // namespace dsrl
