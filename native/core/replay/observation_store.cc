#include "core/replay/observation_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace dsrl {
namespace {

// A view of host memory that lives at least as long as the copy that reads it.
at::Tensor host_bytes(const uint8_t* data, int64_t count) {
  return at::from_blob(const_cast<uint8_t*>(data), {count}, at::kByte);
}
at::Tensor host_floats(const float* data, int64_t count) {
  return at::from_blob(const_cast<float*>(data), {count}, at::kFloat);
}

}  // namespace

ObservationStore::ObservationStore(const NetworkConfig& config, int64_t slots, at::Device device)
    : image_bytes_(config.image_size * config.image_size * 3),
      state_dim_(config.state_dim),
      states_(at::empty({slots, config.state_dim},
                        at::TensorOptions().dtype(at::kFloat).device(device))),
      references_(static_cast<size_t>(slots), 0) {
  if (has_images()) {
    images_ = at::empty({slots, config.image_size, config.image_size, 3},
                        at::TensorOptions().dtype(at::kByte).device(device));
  }
}

int64_t ObservationStore::add(const uint8_t* image, const float* state) {
  int64_t slot = used_;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else if (used_ < static_cast<int64_t>(references_.size())) {
    ++used_;
  } else {
    throw Error("ERR_DSRL_REPLAY_FULL", "the observation store has no free slot");
  }
  references_[static_cast<size_t>(slot)] = 1;
  if (has_images()) {
    images_.select(0, slot).view({-1}).copy_(host_bytes(image, image_bytes_));
  }
  states_.select(0, slot).copy_(host_floats(state, state_dim_));
  return slot;
}

void ObservationStore::release(int64_t slot) {
  if (--references_[static_cast<size_t>(slot)] == 0) free_.push_back(slot);
}

void ObservationStore::clear() {
  std::fill(references_.begin(), references_.end(), 0);
  free_.clear();
  used_ = 0;
}

bool ObservationStore::equals(int64_t slot, const uint8_t* image, const float* state) const {
  std::vector<uint8_t> held_image(static_cast<size_t>(image_bytes_));
  std::vector<float> held_state(static_cast<size_t>(state_dim_));
  read(slot, held_image.data(), held_state.data());
  const bool same_image =
      !has_images() || std::memcmp(held_image.data(), image, held_image.size()) == 0;
  return same_image &&
         std::memcmp(held_state.data(), state, held_state.size() * sizeof(float)) == 0;
}

at::Tensor ObservationStore::images(const at::Tensor& slots) const {
  return images_.index_select(0, slots);
}

at::Tensor ObservationStore::states(const at::Tensor& slots) const {
  return states_.index_select(0, slots);
}

void ObservationStore::read(int64_t slot, uint8_t* image, float* state) const {
  if (has_images()) {
    host_bytes(image, image_bytes_).copy_(images_.select(0, slot).view({-1}));
  }
  host_floats(state, state_dim_).copy_(states_.select(0, slot));
}

}  // namespace dsrl
