#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

namespace dsrl::addon {

/// What a JavaScript AbortSignal sets and one running job reads: `cancel()`, once, for good.
class CancellationHandle : public Napi::ObjectWrap<CancellationHandle> {
 public:
  static constexpr napi_type_tag kTag{0x6473726c43616e63, 0x656c6c6174696f6e};

  static void Register(Napi::Env env, Napi::Object exports);
  explicit CancellationHandle(const Napi::CallbackInfo& info);

  /// The flag of an argument that is a handle; null for null and undefined.
  static std::shared_ptr<std::atomic<bool>> flag(const Napi::Value& value);

 private:
  void Cancel(const Napi::CallbackInfo& info);
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace dsrl::addon
