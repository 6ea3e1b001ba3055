#pragma once

#include <ATen/ATen.h>

#include "core/random/tensor_random.h"
#include "core/sac/learner.h"

namespace dsrl::test {

/// A learner small enough for a test, with the shape of the real one.
inline LearnerConfig small_config() {
  LearnerConfig config;
  config.network.image_size = 16;
  config.network.image_channels = {4, 4, 4, 4};
  config.network.hidden_dims = {16, 16, 16};
  config.network.num_q_heads = 4;
  config.batch_size = 24;
  return config;
}

/// A batch with pictures, short chunks and terminal rows, from one stream.
inline Batch random_batch(const NetworkConfig& config, int64_t rows, int64_t step) {
  const RandomStream stream(77, "test.batch");
  const int64_t side = config.image_size;
  const auto frames = [&](int64_t offset) {
    return random_below(stream, 10 * step + offset, rows * side * side * 3, 256, at::kCPU)
        .to(at::kByte)
        .reshape({rows, side, side, 3});
  };
  return {frames(0),
          frames(1),
          random_normal(stream, 10 * step + 2, rows, config.state_dim, at::kCPU),
          random_normal(stream, 10 * step + 3, rows, config.state_dim, at::kCPU),
          random_normal(stream, 10 * step + 4, rows, config.noise_dim, at::kCPU).tanh(),
          random_normal(stream, 10 * step + 5, rows, 1, at::kCPU).squeeze(1),
          random_below(stream, 10 * step + 6, rows, 5, at::kCPU) + 1,
          random_below(stream, 10 * step + 7, rows, 2, at::kCPU).to(at::kByte)};
}

inline UpdateNoise random_update_noise(const NetworkConfig& config, int64_t rows, int64_t step) {
  const RandomStream stream(78, "test.noise");
  return {random_normal(stream, 2 * step, rows, config.noise_dim, at::kCPU),
          random_normal(stream, 2 * step + 1, rows, config.noise_dim, at::kCPU)};
}

inline Batch to_device(const Batch& batch, at::Device device) {
  return {batch.images.to(device),      batch.next_images.to(device), batch.states.to(device),
          batch.next_states.to(device), batch.noise.to(device),       batch.rewards.to(device),
          batch.steps.to(device),       batch.terminated.to(device)};
}

}  // namespace dsrl::test
