#include "core/sac/squashed_gaussian.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace dsrl {

SampledNoise sample_noise(const Gaussian& gaussian, const at::Tensor& eps, double magnitude) {
  const at::Tensor squashed = (gaussian.mean + gaussian.log_std.exp() * eps).tanh();
  // log N(x; mean, std) with (x - mean) / std = eps.
  const double half_log_two_pi = 0.5 * std::log(2.0 * std::numbers::pi);
  const at::Tensor normal = -0.5 * eps.square() - gaussian.log_std - half_log_two_pi;
  const at::Tensor correction = (1.0 - squashed.square() + 1e-7).log();
  const double scale = static_cast<double>(eps.size(1)) * std::log(magnitude);
  return {squashed * magnitude, (normal - correction).sum(1) - scale};
}

at::Tensor mode_noise(const Gaussian& gaussian, double magnitude) {
  return gaussian.mean.tanh() * magnitude;
}

}  // namespace dsrl
