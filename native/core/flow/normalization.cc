#include "core/flow/normalization.h"

#include <ATen/ATen.h>

namespace dsrl {

Normalization::Normalization(const Statistics& statistics, NormalizationMode mode, double eps,
                             at::Device device)
    : mode_(mode) {
  const auto vector = [&](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).to(device);
  };
  if (mode == NormalizationMode::kQuantiles) {
    offset_ = vector(statistics.q01);
    span_ = vector(statistics.q99) - offset_ + eps;
  } else {
    offset_ = vector(statistics.mean);
    span_ = vector(statistics.std) + eps;
  }
}

at::Tensor Normalization::normalize(const at::Tensor& raw) const {
  const at::Tensor unit = (raw.to(at::kDouble) - offset_) / span_;
  return (mode_ == NormalizationMode::kQuantiles ? unit * 2 - 1 : unit).to(at::kFloat);
}

at::Tensor Normalization::denormalize(const at::Tensor& normalized) const {
  const at::Tensor y = normalized.to(at::kDouble);
  return (mode_ == NormalizationMode::kQuantiles ? (y + 1) / 2 : y) * span_ + offset_;
}

}  // namespace dsrl
