#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <mutex>
#include <string>

#include "core/nn/networks.h"
#include "core/nn/parameters.h"
#include "core/random/philox.h"

namespace dsrl {

/// The acting agent: its own copy of the actor's weights, stamped with a version.
///
/// The learner writes it only through assign(), so that acting and learning may run on different
/// threads, devices or machines; a mutex keeps an act() from seeing half a copy.
class Agent {
 public:
  Agent(const NetworkConfig& config, uint64_t seed, at::Device device);

  /// Noise [B, noise_dim] in (-b, b), float32 on the agent's device.
  /// frames: uint8 [B, S, S, 3], undefined without an image encoder; states: float32
  /// [B, state_dim]; `step` keys the draw: row e takes the stream "agent.act" at (step, env e).
  at::Tensor act(const at::Tensor& frames, const at::Tensor& states, int64_t step,
                 bool deterministic) const;

  void assign(const at::Tensor& actor_values, int64_t version);
  /// Takes the actor's weights by RLinf's names, strictly; `file` names them in an error.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file,
            int64_t version);
  int64_t version() const;
  const NetworkConfig& config() const { return config_; }
  NamedTensors named() const { return actor_.named(); }

 private:
  NetworkConfig config_;
  at::Device device_;
  ParameterBuffer actor_;
  Actor network_;
  RandomStream stream_;
  int64_t version_ = 0;
  mutable std::mutex mutex_;  // guards actor_'s values and version_
};

/// A camera's picture as the agent's frame: uint8 [B, H, W, 3] to uint8 [B, S, S, 3], bilinear,
/// align_corners=False, no antialias, .5 rounds to even (dsrl.md, section 2). The same size is
/// returned as it is.
at::Tensor resize_frames(const at::Tensor& pictures, int64_t size);

}  // namespace dsrl
