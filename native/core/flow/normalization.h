#pragma once

#include <ATen/core/Tensor.h>

#include "core/flow/policy_spec.h"

namespace dsrl {

/// The affine map between a raw vector and the network's, and back.
///
/// Computed in float64 and rounded once, as openpi's numpy does; LeRobot computes in float32, which
/// differs by its own rounding. Where |mean| is large beside std, float32 throughout would cost
/// |mean| / std * 1e-7.
class Normalization {
 public:
  Normalization(const Statistics& statistics, NormalizationMode mode, double eps,
                at::Device device);

  /// float32 [..., n] raw -> float32 [..., n] normalised.
  at::Tensor normalize(const at::Tensor& raw) const;
  /// float32 [..., n] normalised -> float64 [..., n] raw, for the caller to go on with.
  at::Tensor denormalize(const at::Tensor& normalized) const;

 private:
  NormalizationMode mode_;
  at::Tensor offset_, span_;  // float64 [n]: mean and std + eps, or q01 and q99 - q01 + eps
};

}  // namespace dsrl
