#pragma once

#include <ATen/core/Tensor.h>

namespace dsrl {

/// Transitions as they are stored, one row each; all tensors on one device.
struct Batch {
  at::Tensor images;       // uint8 [B, S, S, 3], frame of s, NHWC, RGB; undefined without images
  at::Tensor next_images;  // uint8 [B, S, S, 3], frame of s'
  at::Tensor states;       // float32 [B, state_dim], raw proprioception of s
  at::Tensor next_states;  // float32 [B, state_dim]
  at::Tensor noise;        // float32 [B, noise_dim], the noise that was executed
  at::Tensor rewards;      // float32 [B], of the whole chunk
  at::Tensor steps;        // int64 [B], environment steps that the chunk executed
  at::Tensor terminated;   // uint8 [B]

  int64_t size() const { return states.size(0); }
};

}  // namespace dsrl
