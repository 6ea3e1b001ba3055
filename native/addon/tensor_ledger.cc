#include "addon/tensor_ledger.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "core/shape_text.h"

namespace dsrl::addon {
namespace {

// V8 takes the sum of such changes for pressure: one of several GB makes it collect at every turn.
constexpr int64_t kLargestStep = int64_t{512} << 20;
// How many storages an error names; a line that nobody reads to its end helps nobody.
constexpr size_t kNamed = 5;
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

std::string megabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

}  // namespace

void TensorLedger::add(Napi::BasicEnv env, const at::Tensor& tensor) {
  ++tensors_;
  Storage& storage = storages_[tensor.storage().unsafeGetStorageImpl()];
  if (++storage.handles > 1) return;
  storage.first = tensor;
  const int64_t bytes = bytes_of(tensor);
  (tensor.is_cpu() ? host_bytes_ : device_bytes_) += bytes;
  tell_collector(env, tensor.is_cpu() ? bytes : std::min(bytes, kDeviceProxy));
}

void TensorLedger::remove(Napi::BasicEnv env, const at::Tensor& tensor) {
  --tensors_;
  const auto found = storages_.find(tensor.storage().unsafeGetStorageImpl());
  if (found == storages_.end() || --found->second.handles > 0) return;
  storages_.erase(found);
  const int64_t bytes = bytes_of(tensor);
  (tensor.is_cpu() ? host_bytes_ : device_bytes_) -= bytes;
  tell_collector(env, -(tensor.is_cpu() ? bytes : std::min(bytes, kDeviceProxy)));
}

std::string TensorLedger::describe() const {
  std::string text = std::to_string(tensors_) + " live tensor handles hold " +
                     megabytes(host_bytes_) + " on the host and " + megabytes(device_bytes_) +
                     " on devices";
  std::vector<const at::Tensor*> largest;
  for (const auto& [key, storage] : storages_) largest.push_back(&storage.first);
  const size_t named = std::min(kNamed, largest.size());
  std::partial_sort(
      largest.begin(), largest.begin() + static_cast<std::ptrdiff_t>(named), largest.end(),
      [](const at::Tensor* a, const at::Tensor* b) { return bytes_of(*a) > bytes_of(*b); });
  for (size_t i = 0; i < named; ++i) {
    text += i == 0 ? "; the largest: " : ", ";
    text += shape_text(*largest[i]) + " on " + largest[i]->device().str() + " (" +
            megabytes(bytes_of(*largest[i])) + ")";
  }
  return text;
}

}  // namespace dsrl::addon
