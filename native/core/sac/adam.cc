#include "core/sac/adam.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace dsrl {

Adam::Adam(const ParameterBuffer& parameters, const AdamConfig& config)
    : config_(config),
      first_moment_(at::zeros_like(parameters.values())),
      second_moment_(at::zeros_like(parameters.values())) {}

at::Tensor Adam::step(ParameterBuffer& parameters) {
  const at::NoGradGuard no_gradient;
  const at::Tensor& gradient = parameters.gradient();
  // sum() adds pairwise; linalg_vector_norm adds one after another in float32 and is off by 1e-4
  // over three million values.
  const at::Tensor norm = gradient.square().sum().sqrt();
  gradient.mul_((config_.clip / (norm + 1e-6)).clamp_max(1.0));
  ++steps_;
  const at::Tensor& values = parameters.values();
  if (values.is_cpu() || values.is_cuda()) {
    // The kernel takes the step count as a tensor of the parameters' device.
    const at::Tensor count = at::full({}, static_cast<double>(steps_), values.options());
    at::_fused_adam_({values}, {gradient}, {first_moment_}, {second_moment_}, {}, {count},
                     config_.lr, config_.beta1, config_.beta2, 0.0, config_.eps, false, false);
  } else {
    plain_step(config_, steps_, values, gradient, first_moment_, second_moment_);
  }
  return norm;
}

void Adam::plain_step(const AdamConfig& config, int64_t step, const at::Tensor& values,
                      const at::Tensor& gradient, const at::Tensor& first_moment,
                      const at::Tensor& second_moment) {
  const double correction1 = 1.0 - std::pow(config.beta1, step);
  const double correction2 = 1.0 - std::pow(config.beta2, step);
  first_moment.lerp_(gradient, 1.0 - config.beta1);
  second_moment.mul_(config.beta2).addcmul_(gradient, gradient, 1.0 - config.beta2);
  const at::Tensor denominator = second_moment.sqrt().div_(std::sqrt(correction2)).add_(config.eps);
  values.addcdiv_(first_moment, denominator, -config.lr / correction1);
}

}  // namespace dsrl
