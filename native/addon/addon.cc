#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include "addon/cancellation_handle.h"
#include "addon/compute_thread.h"
#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/learner_handle.h"
#include "addon/policy_handle.h"
#include "addon/settings.h"
#include "addon/tensor_files.h"
#include "addon/tensor_handle.h"
#include "addon/torch_threads.h"
#include "addon/vec_env_handle.h"
#include "core/device/cuda_plugin.h"
#include "core/random/tensor_random.h"

namespace dsrl::addon {
namespace {

template <void (*Set)(int)>
void SetThreads(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { Set(info[0].As<Napi::Number>().Int32Value()); });
}

Napi::Value GetThreads(const Napi::CallbackInfo& info) {
  apply_torch_threads();  // it may have been set in another thread
  return Napi::Number::New(info.Env(), at::get_num_threads());
}

void OpenCudaPlugin(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    open_cuda_plugin(info[0].As<Napi::String>().Utf8Value(),
                     at::Device(info[1].As<Napi::String>().Utf8Value()));
  });
}

Napi::Value Memory(const Napi::CallbackInfo& info) {
  const TensorLedger& ledger = *Environment::of(info.Env()).ledger;
  Napi::Object memory = Napi::Object::New(info.Env());
  memory.Set("tensors", static_cast<double>(ledger.tensors()));
  memory.Set("hostBytes", static_cast<double>(ledger.host_bytes()));
  memory.Set("deviceBytes", static_cast<double>(ledger.device_bytes()));
  return memory;
}

Napi::Value ResizeFrames(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return TensorHandle::wrap(info.Env(), resize_frames(tensor_argument(info[0], "pictures"),
                                                        info[1].As<Napi::Number>().Int64Value()));
  });
}

Napi::Value RandomNormal(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const RandomStream stream(seed_argument(info[0]), info[1].As<Napi::String>().Utf8Value());
    return TensorHandle::wrap(info.Env(),
                              random_normal(stream, info[2].As<Napi::Number>().Int64Value(),
                                            info[3].As<Napi::Number>().Int64Value(),
                                            info[4].As<Napi::Number>().Int64Value(), at::kCPU));
  });
}

Napi::Value RandomUniform(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const RandomStream stream(seed_argument(info[0]), info[1].As<Napi::String>().Utf8Value());
    return TensorHandle::wrap(info.Env(),
                              random_uniform(stream, info[2].As<Napi::Number>().Int64Value(),
                                             info[3].As<Napi::Number>().Int64Value(),
                                             info[4].As<Napi::Number>().Int64Value()));
  });
}

Napi::Value RandomStreamValues(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const RandomStream stream(seed_argument(info[0]), info[1].As<Napi::String>().Utf8Value());
    const auto step = info[2].As<Napi::Number>().Uint32Value();
    const auto row = info[3].As<Napi::Number>().Uint32Value();
    const auto count = info[4].As<Napi::Number>().Int64Value();
    if (count < 0 || count > 1'000'000) {
      throw Error("ERR_DSRL_USAGE", "count must lie in [0, 1000000]");
    }
    std::vector<uint32_t> words(static_cast<size_t>(count));
    std::vector<float> uniform(words.size()), normal(words.size());
    stream.words(step, row, words);
    stream.uniform(step, row, uniform);
    stream.normal(step, row, normal);
    Napi::Object object = Napi::Object::New(env);
    const auto list = [&](const auto& values) {
      Napi::Array array = Napi::Array::New(env, values.size());
      for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, static_cast<double>(values[i]));
      return array;
    };
    object.Set("u32", list(words));
    object.Set("uniform", list(uniform));
    object.Set("normal", list(normal));
    return object;
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  // Freed tensors stay with the allocator: returning them costs thousands of page faults an update.
  // An older glibc refuses a threshold above 32 MB, and would keep 128 KB for good once the line
  // after this has ended its own adaptation.
  if (mallopt(M_MMAP_THRESHOLD, 1 << 30) == 0) mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  env.SetInstanceData(new Environment);
  apply_torch_threads();  // libtorch is asked for its own number before a learner can have set one
  exports.Set("torchVersion", TORCH_VERSION);
  exports.Set("setThreads", Napi::Function::New(env, SetThreads<set_torch_threads>));
  exports.Set("setDefaultThreads", Napi::Function::New(env, SetThreads<set_default_torch_threads>));
  exports.Set("getThreads", Napi::Function::New(env, GetThreads));
  exports.Set("openCudaPlugin", Napi::Function::New(env, OpenCudaPlugin));
  exports.Set("memory", Napi::Function::New(env, Memory));
  exports.Set("resizeFrames", Napi::Function::New(env, ResizeFrames));
  exports.Set("randomNormal", Napi::Function::New(env, RandomNormal));
  exports.Set("randomUniform", Napi::Function::New(env, RandomUniform));
  exports.Set("randomStream", Napi::Function::New(env, RandomStreamValues));
  exports.Set("shutdown", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                stop_threads(info.Env());
              }));
  // At once: no exit listener, no destructor, and above all no wait for a job under way, which for
  // a large policy is minutes. What a run keeps is renamed into place when it is whole; a file that
  // the caller asked for by name (a sample, tensors, an agent) may be cut short, and no reader of
  // ours takes one that is.
  exports.Set("exitAtOnce", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                _exit(info[0].As<Napi::Number>().Int32Value());
              }));
  CancellationHandle::Register(env, exports);
  TensorHandle::Register(env, exports);
  AgentHandle::Register(env, exports);
  ReplayHandle::Register(env, exports);
  LearnerHandle::Register(env, exports);
  PolicyHandle::Register(env, exports);
  VecEnvHandle::Register(env, exports);
  register_tensor_files(env, exports);
  return exports;
}

NODE_API_MODULE(dsrl_core, Init)

}  // namespace
}  // namespace dsrl::addon
