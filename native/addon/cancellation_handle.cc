#include "addon/cancellation_handle.h"

#include "addon/environment.h"

namespace dsrl::addon {

void CancellationHandle::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Cancellation", DefineClass(env, "Cancellation",
                                          {InstanceMethod("cancel", &CancellationHandle::Cancel)}));
}

CancellationHandle::CancellationHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<CancellationHandle>(info) {
  napi_type_tag_object(info.Env(), info.This(), &kTag);
}

void CancellationHandle::Cancel(const Napi::CallbackInfo&) {
  cancelled_->store(true);
}

std::shared_ptr<std::atomic<bool>> CancellationHandle::flag(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  return unwrap<CancellationHandle>(value, "the cancellation").cancelled_;
}

}  // namespace dsrl::addon
