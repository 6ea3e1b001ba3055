#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/networks.h"

namespace dsrl {

/// Noise drawn from the policy and its log density.
struct SampledNoise {
  at::Tensor noise;        // [B, noise_dim] in (-b, b)
  at::Tensor log_density;  // [B]
};

/// x = mean + std eps, y = tanh(x), noise = b y;
/// log p = sum_i log N(x_i; mean_i, std_i) - sum_i log(1 - y_i^2 + 1e-7) - noise_dim log b,
/// summed once over the 32 dimensions, before the noise is tiled over the horizon.
/// Always float32: in bfloat16 tanh saturates at |x| >= 3.47 and the density is wrong by nats.
SampledNoise sample_noise(const Gaussian& gaussian, const at::Tensor& eps, double magnitude);

/// The deterministic action: b tanh(mean).
at::Tensor mode_noise(const Gaussian& gaussian, double magnitude);

}  // namespace dsrl
