#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <cstdint>
#include <string>
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

  /// "3 live tensor handles hold 40.0 MB on the host and 0.0 MB on devices; the largest: ...", for
  /// the message of an allocation that failed: whoever reads it looks for what to dispose of.
  std::string describe() const;

 private:
  struct Storage {
    at::Tensor first;  // of the handles over it: what it is called when it is listed
    int64_t handles = 0;
  };

  int64_t tensors_ = 0;
  int64_t host_bytes_ = 0;
  int64_t device_bytes_ = 0;
  std::unordered_map<const void*, Storage> storages_;
};

}  // namespace dsrl::addon
