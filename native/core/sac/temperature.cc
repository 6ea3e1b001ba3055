#include "core/sac/temperature.h"

#include <ATen/ATen.h>

#include <cmath>

namespace dsrl {
namespace {

const std::string kName = "entropy_temp.base_alpha";

ParameterLayout layout() {
  ParameterLayout layout;
  layout.add(kName, {});
  return layout;
}

double base_for(AlphaType type, double alpha) {
  if (type == AlphaType::kExp) return std::log(alpha);
  // log(e^alpha - 1), written so that a large alpha does not overflow.
  return alpha + std::log(-std::expm1(-alpha));
}

}  // namespace

EntropyTemperature::EntropyTemperature(const LearnerConfig& config, at::Device device)
    : type_(config.alpha_type),
      initial_alpha_(config.initial_alpha),
      target_entropy_(config.target_entropy),
      parameters_(layout(), device),
      base_(parameters_.trainable().at(kName)) {
  // An alpha fixed at 0 has no base, and needs none: any finite number will do.
  const double base = initial_alpha_ > 0 ? base_for(type_, initial_alpha_) : 0;
  parameters_.values().narrow(0, 0, 1).fill_(base);
}

at::Tensor EntropyTemperature::transform(const at::Tensor& base) const {
  if (type_ == AlphaType::kFixed) return at::full_like(base, initial_alpha_);
  return type_ == AlphaType::kExp ? base.exp() : at::softplus(base);
}

at::Tensor EntropyTemperature::alpha() const {
  return transform(base_.detach()).clone();
}

at::Tensor EntropyTemperature::backward(const at::Tensor& mean_log_density) {
  const at::Tensor loss = -transform(base_) * (mean_log_density.detach() + target_entropy_);
  loss.backward();
  return loss.detach();
}

}  // namespace dsrl
