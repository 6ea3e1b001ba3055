#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/parameters.h"
#include "core/sac/config.h"

namespace dsrl {

/// Adam over one flat group, its gradient clipped by the group's own L2 norm
/// (factor min(1, clip / (norm + 1e-6))), bias-corrected, eps outside the root, no weight decay.
class Adam {
 public:
  Adam(const ParameterBuffer& parameters, const AdamConfig& config);

  /// Clips the buffer's gradient, takes one step, and returns the norm before clipping (0-dim).
  at::Tensor step(ParameterBuffer& parameters);

  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  /// The step written out operation by operation: what devices without a fused kernel run, and
  /// what the fused kernel is tested against.
  static void plain_step(const AdamConfig& config, int64_t step, const at::Tensor& values,
                         const at::Tensor& gradient, const at::Tensor& first_moment,
                         const at::Tensor& second_moment);

 private:
  AdamConfig config_;
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  // On the host: bias correction is then an argument of the kernel, never a value read back.
  int64_t steps_ = 0;
};

}  // namespace dsrl
