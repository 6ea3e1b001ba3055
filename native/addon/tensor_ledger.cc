#include "addon/tensor_ledger.h"

#include <algorithm>

namespace dsrl::addon {
namespace {

// V8 takes the sum of such changes for pressure: one of several GB makes it collect at every turn.
constexpr int64_t kLargestStep = int64_t{512} << 20;
// Memory of a device is not the collector's, but a lost handle must still be worth a collection.
constexpr int64_t kDeviceProxy = int64_t{64} << 20;

void tell_collector(Napi::BasicEnv env, int64_t change) {
  while (change != 0) {
    const int64_t step = std::clamp(change, -kLargestStep, kLargestStep);
    Napi::MemoryManagement::AdjustExternalMemory(env, step);
    change -= step;
  }
}

int64_t bytes_of(const at::Tensor& tensor) {
  return static_cast<int64_t>(tensor.storage().nbytes());
}

}  // namespace

void TensorLedger::add(Napi::BasicEnv env, const at::Tensor& tensor) {
  ++tensors_;
  if (++handles_[tensor.storage().unsafeGetStorageImpl()] > 1) return;
  const int64_t bytes = bytes_of(tensor);
  (tensor.is_cpu() ? host_bytes_ : device_bytes_) += bytes;
  tell_collector(env, tensor.is_cpu() ? bytes : std::min(bytes, kDeviceProxy));
}

void TensorLedger::remove(Napi::BasicEnv env, const at::Tensor& tensor) {
  --tensors_;
  const auto found = handles_.find(tensor.storage().unsafeGetStorageImpl());
  if (found == handles_.end() || --found->second > 0) return;
  handles_.erase(found);
  const int64_t bytes = bytes_of(tensor);
  (tensor.is_cpu() ? host_bytes_ : device_bytes_) -= bytes;
  tell_collector(env, -(tensor.is_cpu() ? bytes : std::min(bytes, kDeviceProxy)));
}

}  // namespace dsrl::addon
