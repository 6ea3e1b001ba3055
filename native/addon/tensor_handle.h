#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <memory>

#include "addon/tensor_ledger.h"

namespace dsrl::addon {

/// A JavaScript handle of a tensor. The storage is native; view() is an ArrayBuffer over it.
///
/// Who frees what: the handle, every view and every job hold the storage by reference count, so it
/// lives as long as the last of them. dispose() detaches the view and frees the handle itself; its
/// JavaScript object stays as a shell, and a use of that is an error, never a stale read. Waiting
/// for the collector instead would cost: Node runs finalisers between two turns of the event loop
/// only, and a loop of 100,000 tensors without one kept 30 MB.
/// The ledger of the environment knows of every handle, which is what runtime.memory() tells.
class TensorHandle : public Napi::ObjectWrap<TensorHandle> {
 public:
  static constexpr napi_type_tag kTag{0x6473726c54656e73, 0x6f7248616e646c65};

  static void Register(Napi::Env env, Napi::Object exports);
  explicit TensorHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override;

  static Napi::Object wrap(Napi::Env env, const at::Tensor& tensor);
  const at::Tensor& tensor() const { return tensor_; }

 private:
  static Napi::Value From(const Napi::CallbackInfo& info);
  Napi::Value Dtype(const Napi::CallbackInfo& info);
  Napi::Value Shape(const Napi::CallbackInfo& info);
  Napi::Value Device(const Napi::CallbackInfo& info);
  Napi::Value ByteLength(const Napi::CallbackInfo& info);
  Napi::Value View(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value To(const Napi::CallbackInfo& info);
  Napi::Value ReadAsync(const Napi::CallbackInfo& info);
  Napi::Value Slice(const Napi::CallbackInfo& info);
  Napi::Value IsFinite(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);

  /// Drops the handle's own reference; the storage may live on in a view or a job.
  void release(Napi::BasicEnv env);

  at::Tensor tensor_;
  Napi::ObjectReference view_;
  /// The view's own reference. Its buffer's finaliser frees it: there only while that is attached.
  at::Tensor* viewed_ = nullptr;
  std::shared_ptr<TensorLedger> ledger_;
};

/// Arguments that are tensors: null and undefined give an undefined tensor.
at::Tensor tensor_argument(const Napi::Value& value, const char* what);

}  // namespace dsrl::addon
