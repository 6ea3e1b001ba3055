#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dsrl {

/// What `policy.json` says about a frozen policy, already validated (lib/policy).
struct PolicySpec {
  int64_t horizon;    // H, steps of the action chunk that the flow produces
  int64_t noise_dim;  // padded width of noise, state and actions inside policy.pt
  int64_t state_dim;
  int64_t action_dim;
  int64_t num_steps;  // Euler steps
  int64_t num_cameras;
  int64_t image_size;
  int64_t prompt_length;
  double normalization_eps;
  std::vector<double> state_mean, state_std;    // [state_dim]
  std::vector<double> action_mean, action_std;  // [action_dim]
  std::vector<uint8_t> delta_action_mask;       // [action_dim], or empty
};

/// Raw observations for a batch; everything on the host.
struct PolicyObservation {
  std::vector<at::Tensor> images;  // a tensor a camera, uint8 [B, S, S, 3], upright, RGB
  at::Tensor states;               // float32 [B, state_dim], raw
  at::Tensor tokens;               // int64 [B, L]
  at::Tensor token_mask;           // bool [B, L]
};

/// Runs a TorchScript policy: raw observations and noise in, robot actions out.
///
/// TorchScript is a program: the caller has checked the file's sha256 against policy.json.
/// One thread at a time may call it.
class FrozenPolicy {
 public:
  /// Loads on the CPU, moves to `device`, switches to eval mode.
  /// Throws ERR_DSRL_POLICY_LOAD if the file is no TorchScript module, ERR_DSRL_POLICY_CONTRACT if
  /// a method of the artefact's contract is missing, ERR_DSRL_POLICY_SPEC if sizes contradict it.
  FrozenPolicy(const std::string& path, PolicySpec spec, at::Device device);
  ~FrozenPolicy();

  /// Actions [B, H, action_dim], float32 on the policy's device, un-normalised.
  /// noise: float32 [B, noise_dim] (tiled over the horizon) or [B, H, noise_dim].
  at::Tensor sample(const PolicyObservation& observation, const at::Tensor& noise,
                    int64_t num_steps = 0) const;

  const PolicySpec& spec() const { return spec_; }
  int64_t parameter_count() const { return parameter_count_; }

 private:
  struct Module;  // keeps TorchScript's headers out of this one
  void check(const PolicyObservation& observation, const at::Tensor& noise) const;

  PolicySpec spec_;
  at::Device device_;
  std::unique_ptr<Module> module_;
  at::Tensor state_mean_, state_scale_, action_mean_, action_scale_, delta_mask_;
  int64_t parameter_count_ = 0;
};

}  // namespace dsrl
