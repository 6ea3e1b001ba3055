#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/nn/config.h"

namespace dsrl {

/// Observations (frame and state) in numbered slots, counted by reference.
///
/// A slot is free once nobody holds it; free slots are reused last in, first out, so that no more
/// pages are touched than the largest number of observations ever held. On the host the memory is
/// reserved at once and committed by the kernel page by page as it is written.
class ObservationStore {
 public:
  ObservationStore(const NetworkConfig& config, int64_t slots, at::Device device);

  /// Copies an observation in and returns its slot, held once. `image` may be null without images.
  int64_t add(const uint8_t* image, const float* state);
  void hold(int64_t slot) { ++references_[static_cast<size_t>(slot)]; }
  void release(int64_t slot);
  /// Nobody holds any slot any more.
  void clear();
  /// True if the slot holds exactly these bytes.
  bool equals(int64_t slot, const uint8_t* image, const float* state) const;

  at::Tensor images(const at::Tensor& slots) const;  // uint8 [B, S, S, 3]
  at::Tensor states(const at::Tensor& slots) const;  // float32 [B, state_dim]
  /// One observation on the host, for writing it to disk.
  void read(int64_t slot, uint8_t* image, float* state) const;

  at::Device device() const { return states_.device(); }
  bool has_images() const { return image_bytes_ > 0; }
  int64_t image_bytes() const { return image_bytes_; }
  int64_t state_dim() const { return state_dim_; }

 private:
  int64_t image_bytes_;
  int64_t state_dim_;
  at::Tensor images_;  // uint8 [slots, S, S, 3]
  at::Tensor states_;  // float32 [slots, state_dim]
  std::vector<int32_t> references_;
  std::vector<int64_t> free_;
  int64_t used_ = 0;  // slots below this have been handed out before
};

}  // namespace dsrl
