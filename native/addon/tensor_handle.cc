#include "addon/tensor_handle.h"

#include <ATen/ATen.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/typed_array.h"

namespace dsrl::addon {
namespace {

// Some runtimes, Electron among them, keep all of JavaScript's memory in one cage and refuse
// buffers over ours. DSRL_NO_EXTERNAL_BUFFERS=1 lets any Node play such a runtime.
napi_status external_buffer(napi_env env, void* data, size_t bytes, napi_finalize finalizer,
                            void* hint, napi_value* buffer) {
  static const char* const flag = std::getenv("DSRL_NO_EXTERNAL_BUFFERS");
  if (flag != nullptr && std::strcmp(flag, "1") == 0) return napi_no_external_buffers_allowed;
  return napi_create_external_arraybuffer(env, data, bytes, finalizer, hint, buffer);
}

bool allows_external_buffers(napi_env env) {
  auto byte = std::make_unique<uint8_t>();  // of its own: V8 does not like one address twice
  const auto finalizer = [](napi_env, void*, void* held) { delete static_cast<uint8_t*>(held); };
  napi_value buffer;
  const napi_status status =
      external_buffer(env, byte.get(), sizeof *byte, finalizer, byte.get(), &buffer);
  if (status == napi_ok) byte.release();
  return status == napi_ok;
}

}  // namespace

void TensorHandle::Register(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = DefineClass(
      env, "Tensor",
      {StaticMethod("from", &TensorHandle::From),
       InstanceAccessor("dtype", &TensorHandle::Dtype, nullptr),
       InstanceAccessor("shape", &TensorHandle::Shape, nullptr),
       InstanceAccessor("device", &TensorHandle::Device, nullptr),
       InstanceAccessor("byteLength", &TensorHandle::ByteLength, nullptr),
       InstanceMethod("view", &TensorHandle::View), InstanceMethod("read", &TensorHandle::Read),
       InstanceMethod("readAsync", &TensorHandle::ReadAsync),
       InstanceMethod("to", &TensorHandle::To), InstanceMethod("slice", &TensorHandle::Slice),
       InstanceMethod("isFinite", &TensorHandle::IsFinite),
       InstanceMethod("dispose", &TensorHandle::Dispose)});
  Environment::of(env).tensor = Napi::Persistent(constructor);
  exports.Set("Tensor", constructor);
  exports.Set("zeroCopy", allows_external_buffers(env));
}

TensorHandle::TensorHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TensorHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "Tensor has no public constructor: use Tensor.from");
  }
  napi_type_tag_object(info.Env(), info.This(), &kTag);
  tensor_ = *info[0].As<Napi::External<at::Tensor>>().Data();
  ledger_ = Environment::of(info.Env()).ledger;
  ledger_->add(info.Env(), tensor_);
}

void TensorHandle::Finalize(Napi::BasicEnv env) {
  release(env);
}

void TensorHandle::release(Napi::BasicEnv env) {
  ledger_->remove(env, tensor_);
  tensor_ = at::Tensor();
}

Napi::Object TensorHandle::wrap(Napi::Env env, const at::Tensor& tensor) {
  at::Tensor copy = tensor;
  return Environment::of(env).tensor.New({Napi::External<at::Tensor>::New(env, &copy)});
}

Napi::Value TensorHandle::From(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const DtypeInfo& dtype = dtype_named(info[2].As<Napi::String>().Utf8Value());
    std::vector<int64_t> shape;
    uint64_t count = 1;
    const auto sizes = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < sizes.Length(); ++i) {
      const int64_t size = sizes.Get(i).As<Napi::Number>().Int64Value();
      if (size < 0 || (size > 0 && count > (uint64_t{1} << 40) / static_cast<uint64_t>(size))) {
        throw Error("ERR_DSRL_TENSOR_SHAPE", "the shape is not possible");
      }
      count *= static_cast<uint64_t>(size);
      shape.push_back(size);
    }
    const auto data = elements_of(info[0]);
    if (!data) throw Error("ERR_DSRL_TENSOR_DTYPE", "Tensor.from needs a typed array");
    if (data->type != dtype.array || data->count != count) {
      throw Error("ERR_DSRL_TENSOR_SHAPE",
                  std::string("the data does not fit: expected ") + std::to_string(count) +
                      " elements of " + dtype.name + ", found " + std::to_string(data->count) +
                      " in another or the same dtype");
    }
    const at::Tensor tensor = at::empty(shape, dtype.type);
    if (count > 0) std::memcpy(tensor.mutable_data_ptr(), data->bytes, tensor.nbytes());
    return wrap(info.Env(), tensor);
  });
}

Napi::Value TensorHandle::Dtype(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::String::New(info.Env(), dtype_of(tensor_.scalar_type()).name);
  });
}

Napi::Value TensorHandle::Shape(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    Napi::Array shape = Napi::Array::New(info.Env());
    for (int64_t i = 0; i < tensor_.dim(); ++i) {
      shape.Set(static_cast<uint32_t>(i), static_cast<double>(tensor_.size(i)));
    }
    return shape;
  });
}

Napi::Value TensorHandle::Device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), tensor_.device().str()); });
}

Napi::Value TensorHandle::ByteLength(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(tensor_.nbytes()));
  });
}

Napi::Value TensorHandle::View(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!view_.IsEmpty()) return view_.Value();
    if (!tensor_.is_cpu() || !tensor_.is_contiguous()) {
      throw Error("ERR_DSRL_TENSOR_VIEW",
                  "view() needs a contiguous tensor on the host: use read()");
    }
    // The view owns a reference of its own, so it outlives the handle if it must.
    auto viewed = std::make_unique<at::Tensor>(tensor_);
    napi_value created;
    const napi_status status = external_buffer(
        info.Env(), viewed->mutable_data_ptr(), viewed->nbytes(),
        [](napi_env, void*, void* held) { delete static_cast<at::Tensor*>(held); }, viewed.get(),
        &created);
    if (status == napi_no_external_buffers_allowed) {
      throw Error("ERR_DSRL_NO_EXTERNAL_BUFFERS",
                  "this runtime allows no arrays over native memory: use read(), which copies");
    }
    if (status != napi_ok) throw Napi::Error::New(info.Env());
    viewed_ = viewed.release();
    const Napi::ArrayBuffer buffer(info.Env(), created);
    const Napi::Value view = typed_array(info.Env(), dtype_of(tensor_.scalar_type()), buffer,
                                         static_cast<size_t>(tensor_.numel()));
    view_ = Napi::Persistent(view.As<Napi::Object>());
    return view;
  });
}

Napi::Value TensorHandle::Read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor host = tensor_.to(at::kCPU).contiguous();
    if (info[0].IsUndefined()) return values_of(info.Env(), host);
    copy_into(info[0], host);
    return info[0];
  });
}

Napi::Value TensorHandle::ReadAsync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    // The copy from a device waits for what computes there: on the inference thread, not here.
    return Environment::of(info.Env())
        .inference(info.Env())
        .run(info.Env(), [source = tensor_]() -> MakeValue {
          const at::Tensor host = source.to(at::kCPU).contiguous();
          return [host](Napi::Env env) { return wrap(env, host); };
        });
  });
}

Napi::Value TensorHandle::To(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return wrap(info.Env(), tensor_.to(at::Device(info[0].As<Napi::String>().Utf8Value())));
  });
}

Napi::Value TensorHandle::Slice(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t dimension = info[0].As<Napi::Number>().Int64Value();
    if (dimension < 0 || dimension >= tensor_.dim()) {
      throw Error("ERR_DSRL_TENSOR_SHAPE", "a tensor of " + std::to_string(tensor_.dim()) +
                                               " dimensions has no dimension " +
                                               std::to_string(dimension));
    }
    const int64_t size = tensor_.size(dimension);
    const int64_t start = info[1].As<Napi::Number>().Int64Value();
    const int64_t end = info[2].IsUndefined() ? size : info[2].As<Napi::Number>().Int64Value();
    if (start < 0 || start > end || end > size) {
      throw Error("ERR_DSRL_TENSOR_SHAPE", std::to_string(start) + " to " + std::to_string(end) +
                                               " does not lie in a dimension of " +
                                               std::to_string(size));
    }
    return wrap(info.Env(), tensor_.slice(dimension, start, end));
  });
}

Napi::Value TensorHandle::IsFinite(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Boolean::New(info.Env(), tensor_.isfinite().all().item<bool>());
  });
}

void TensorHandle::Dispose(const Napi::CallbackInfo& info) {
  if (!view_.IsEmpty()) {
    Napi::ArrayBuffer buffer = view_.Value().As<Napi::TypedArray>().ArrayBuffer();
    // One that is detached already is not the view's any more: Node detaches an empty one as it
    // makes it, and buffer.transfer() hands the memory on. Its finaliser may have run by now.
    if (!buffer.IsDetached()) {
      *viewed_ = at::Tensor();
      buffer.Detach();
    }
  }
  release(info.Env());
  napi_remove_wrap(info.Env(), info.This(), nullptr);
  const std::unique_ptr<TensorHandle> freed(this);
}

at::Tensor tensor_argument(const Napi::Value& value, const char* what) {
  if (value.IsNull() || value.IsUndefined()) return {};
  return unwrap<TensorHandle>(value, what).tensor();
}

}  // namespace dsrl::addon
