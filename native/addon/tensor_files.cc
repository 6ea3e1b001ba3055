#include "addon/tensor_files.h"

#include <string>

#include "addon/guard.h"
#include "addon/tensor_handle.h"
#include "core/checkpoint/safetensors.h"

namespace dsrl::addon {
namespace {

Napi::Value ReadSafetensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const SafetensorsFile file = read_safetensors(info[0].As<Napi::String>().Utf8Value());
    Napi::Object tensors = Napi::Object::New(info.Env());
    for (const auto& [name, tensor] : file.tensors) {
      tensors.Set(name, TensorHandle::wrap(info.Env(), tensor));
    }
    return tensors;
  });
}

void WriteSafetensors(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto object = info[1].As<Napi::Object>();
    const Napi::Array names = object.GetPropertyNames();
    NamedTensors tensors;
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).ToString().Utf8Value();
      tensors.emplace_back(name, tensor_argument(object.Get(name), name.c_str()));
    }
    write_safetensors(info[0].As<Napi::String>().Utf8Value(), tensors);
  });
}

}  // namespace

void register_tensor_files(Napi::Env env, Napi::Object exports) {
  exports.Set("readSafetensors", Napi::Function::New(env, ReadSafetensors));
  exports.Set("writeSafetensors", Napi::Function::New(env, WriteSafetensors));
}

}  // namespace dsrl::addon
