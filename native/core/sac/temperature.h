#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/parameters.h"
#include "core/sac/config.h"

namespace dsrl {

/// The entropy temperature alpha = softplus(base) or exp(base), or a constant.
///
/// base starts where alpha is initial_alpha: log(e^alpha - 1), which is 0.541325 for 1.
class EntropyTemperature {
 public:
  EntropyTemperature(const LearnerConfig& config, at::Device device);

  /// alpha as it stands, 0-dim, outside autograd.
  at::Tensor alpha() const;
  bool fixed() const { return type_ == AlphaType::kFixed; }

  /// Adds the gradient of -alpha (mean log p + target_entropy) and returns that loss (0-dim).
  at::Tensor backward(const at::Tensor& mean_log_density);

  ParameterBuffer& parameters() { return parameters_; }
  const ParameterBuffer& parameters() const { return parameters_; }

 private:
  at::Tensor transform(const at::Tensor& base) const;

  AlphaType type_;
  double initial_alpha_;
  double target_entropy_;
  ParameterBuffer parameters_;
  at::Tensor base_;  // leaf over parameters_
};

}  // namespace dsrl
