#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

namespace dsrl::addon {

/// A JavaScript handle of a tensor. The storage is native; view() is an ArrayBuffer over it.
///
/// Who frees what: the handle, every view and every job hold the storage by reference count, so it
/// lives as long as the last of them. dispose() drops the handle's reference and detaches the view:
/// a use after that is a JavaScript error, never a stale read.
class TensorHandle : public Napi::ObjectWrap<TensorHandle> {
 public:
  static constexpr napi_type_tag kTag{0x6473726c54656e73, 0x6f7248616e646c65};

  static void Register(Napi::Env env, Napi::Object exports);
  explicit TensorHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

  static Napi::Object wrap(Napi::Env env, const at::Tensor& tensor);
  /// The tensor, or ERR_DSRL_DISPOSED.
  const at::Tensor& tensor() const;

 private:
  static Napi::Value From(const Napi::CallbackInfo& info);
  Napi::Value Dtype(const Napi::CallbackInfo& info);
  Napi::Value Shape(const Napi::CallbackInfo& info);
  Napi::Value Device(const Napi::CallbackInfo& info);
  Napi::Value ByteLength(const Napi::CallbackInfo& info);
  Napi::Value Disposed(const Napi::CallbackInfo& info);
  Napi::Value View(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value To(const Napi::CallbackInfo& info);
  Napi::Value Narrow(const Napi::CallbackInfo& info);
  Napi::Value IsFinite(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);

  at::Tensor tensor_;
  Napi::ObjectReference view_;
  int64_t accounted_ = 0;  // bytes told to the garbage collector
};

/// Arguments that are tensors: null and undefined give an undefined tensor.
at::Tensor tensor_argument(const Napi::Value& value, const char* what);

}  // namespace dsrl::addon
