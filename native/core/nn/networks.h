#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "core/nn/config.h"
#include "core/nn/parameters.h"

namespace dsrl {

/// Frames as the encoders see them: uint8 NHWC [B, S, S, 3] to float32 NCHW in [-1, 1].
/// The result is channels-last in memory, which convolutions prefer on every device.
at::Tensor normalize_frames(const at::Tensor& frames);

/// One observation batch for the agent: frames (undefined without an image encoder) and states.
struct AgentInput {
  at::Tensor images;  // float32 [B, 3, S, S] in [-1, 1]
  at::Tensor states;  // float32 [B, state_dim], raw proprioception
};

/// Convolutions with ReLU, then Linear, LayerNorm, Tanh (RLinf: compact_encoders.py).
class ImageEncoder {
 public:
  ImageEncoder(const NetworkConfig& config, const std::string& prefix, const ParameterViews& views);
  static void declare(const NetworkConfig& config, const std::string& prefix, ParameterLayout& to);
  at::Tensor operator()(const at::Tensor& images) const;  // [B, image_latent_dim]

 private:
  struct Convolution {
    at::Tensor weight, bias;
    int64_t stride, padding;
  };
  std::vector<Convolution> convolutions_;
  at::Tensor weight_, bias_, gain_, shift_;
};

/// Linear, LayerNorm, Tanh over the proprioception.
class StateEncoder {
 public:
  StateEncoder(const std::string& prefix, const ParameterViews& views);
  static void declare(const NetworkConfig& config, const std::string& prefix, ParameterLayout& to);
  at::Tensor operator()(const at::Tensor& states) const;  // [B, state_latent_dim]

 private:
  at::Tensor weight_, bias_, gain_, shift_;
};

/// Both encoders of the actor or of the critic: [state features, image features].
class Encoders {
 public:
  /// `owner` is "actor" or "critic".
  Encoders(const NetworkConfig& config, const std::string& owner, const ParameterViews& views);
  static void declare(const NetworkConfig& config, const std::string& owner, ParameterLayout& to);
  at::Tensor operator()(const AgentInput& input) const;  // [B, feature_dim]

 private:
  std::optional<ImageEncoder> image_;
  StateEncoder state_;
};

/// A diagonal Gaussian before squashing; both [B, noise_dim].
struct Gaussian {
  at::Tensor mean;
  at::Tensor log_std;  // clamped to [-20, 2]
};

/// The actor: own encoders, then an MLP with LayerNorm to mean and log_std
/// (RLinf: gaussian_policy.py, "dsrl_action_noise_net").
class Actor {
 public:
  Actor(const NetworkConfig& config, const ParameterViews& views);
  static ParameterLayout layout(const NetworkConfig& config);
  Gaussian operator()(const AgentInput& input) const;

 private:
  struct Layer {
    at::Tensor weight, bias, gain, shift;
  };
  Encoders encoders_;
  std::vector<Layer> layers_;
  at::Tensor mean_weight_, mean_bias_, log_std_weight_, log_std_bias_;
};

/// The critic: own encoders, then an ensemble of Q heads computed as batched products
/// (RLinf: compact_encoders.py, "CompactMultiQHead").
class Critic {
 public:
  Critic(const NetworkConfig& config, const ParameterViews& views);
  static ParameterLayout layout(const NetworkConfig& config);
  /// Q of every head, [num_q_heads, B], for `noise` [B, noise_dim].
  at::Tensor operator()(const AgentInput& input, const at::Tensor& noise) const;

 private:
  struct Layer {
    at::Tensor weight, bias, gain, shift;  // each stacked over the heads
  };
  Encoders encoders_;
  std::vector<Layer> layers_;
  at::Tensor out_weight_, out_bias_;
};

/// Fresh weights as RLinf draws them (dsrl.md, section 2), from streams named after the parameters.
void initialize(const NetworkConfig& config, uint64_t seed, const ParameterBuffer& buffer);

}  // namespace dsrl
