#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <cstdint>
#include <unordered_map>

namespace dsrl::addon {

/// What the live tensor handles of one Node environment hold, and what the garbage collector is
/// told of it. A storage that several handles share (slices, `to` the same device) counts once.
/// Only on the JavaScript thread of that environment.
class TensorLedger {
 public:
  void add(Napi::BasicEnv env, const at::Tensor& tensor);
  void remove(Napi::BasicEnv env, const at::Tensor& tensor);

  int64_t tensors() const { return tensors_; }
  int64_t host_bytes() const { return host_bytes_; }
  int64_t device_bytes() const { return device_bytes_; }

 private:
  int64_t tensors_ = 0;
  int64_t host_bytes_ = 0;
  int64_t device_bytes_ = 0;
  std::unordered_map<const void*, int64_t> handles_;  // of each storage
};

}  // namespace dsrl::addon
