#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "core/nn/config.h"
#include "core/nn/parameters.h"

namespace dsrl {

/// One network for several threads that learn at once: they read the same weights, and each adds
/// up gradients of its own, since two that accumulated into one tensor would lose some.
template <typename Network>
class SharedNetwork {
 public:
  SharedNetwork(const NetworkConfig& config, const ParameterBuffer& parameters, size_t threads) {
    for (size_t thread = 0; thread < threads; ++thread) {
      at::Tensor gradient = parameters.gradient();
      if (thread > 0) gradient = gradient.new_zeros(gradient.sizes());
      Network network(config, parameters.trainable(gradient));
      copies_.push_back({std::move(gradient), std::move(network)});
    }
  }

  /// For one thread at a time; thread 0 accumulates into the buffer's own gradient.
  const Network& of(size_t thread) const { return copies_[thread].network; }

  void zero_gradients() {
    for (Copy& copy : copies_) copy.gradient.zero_();
  }
  /// The buffer's gradient becomes the sum of all, in the threads' order.
  void sum_gradients() {
    for (size_t thread = 1; thread < copies_.size(); ++thread) {
      copies_[0].gradient.add_(copies_[thread].gradient);
    }
  }

 private:
  struct Copy {
    at::Tensor gradient;  // float32 [size]
    Network network;
  };
  std::vector<Copy> copies_;
};

}  // namespace dsrl
