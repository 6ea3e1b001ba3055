#include "addon/policy_handle.h"

#include "addon/cancellation_handle.h"
#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/settings.h"
#include "addon/tensor_handle.h"
#include "core/flow/sample_file.h"

namespace dsrl::addon {
namespace {

// A job stops when its own call is cancelled, or the process goes down.
StopRequest stop_request(const Napi::Value& cancellation, const ComputeThread& thread) {
  const auto cancelled = CancellationHandle::flag(cancellation);
  return [cancelled, shutdown = thread.cancelled()] {
    return (cancelled && cancelled->load()) || shutdown->load();
  };
}

}  // namespace

void PolicyHandle::Register(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = DefineClass(
      env, "FrozenPolicy",
      {StaticMethod("load", &PolicyHandle::Load), InstanceMethod("sample", &PolicyHandle::Sample),
       InstanceMethod("sampleFile", &PolicyHandle::SampleFile),
       InstanceMethod("parameterCount", &PolicyHandle::ParameterCount),
       InstanceMethod("parameterChecksums", &PolicyHandle::ParameterChecksums),
       InstanceMethod("dispose", &PolicyHandle::Dispose)});
  Environment::of(env).policy = Napi::Persistent(constructor);
  exports.Set("FrozenPolicy", constructor);
}

PolicyHandle::PolicyHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PolicyHandle>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "a policy has no public constructor: use load");
  }
  policy_ = *info[0].As<Napi::External<std::shared_ptr<FrozenPolicy>>>().Data();
}

Napi::Value PolicyHandle::Load(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Work load = [file = info[0].As<Napi::String>().Utf8Value(),
                       spec = policy_spec(info[1].As<Napi::Object>()),
                       device = at::Device(info[2].As<Napi::String>().Utf8Value())]() -> MakeValue {
      auto policy = std::make_shared<FrozenPolicy>(file, spec, device);
      return [policy](Napi::Env env) mutable -> Napi::Value {
        const auto shared = Napi::External<std::shared_ptr<FrozenPolicy>>::New(env, &policy);
        return Environment::of(env).policy.New({shared});
      };
    };
    return Environment::of(info.Env()).inference(info.Env()).run_or_wait(info[3], load);
  });
}

Napi::Value PolicyHandle::Sample(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    PolicyObservation observation;
    const auto inputs = info[0].As<Napi::Object>();
    const auto cameras = inputs.Get("images").As<Napi::Array>();
    for (uint32_t i = 0; i < cameras.Length(); ++i) {
      observation.images.push_back(tensor_argument(cameras.Get(i), "images"));
    }
    observation.states = tensor_argument(inputs.Get("states"), "states");
    observation.tokens = tensor_argument(inputs.Get("tokens"), "tokens");
    observation.token_mask = tensor_argument(inputs.Get("tokenMask"), "tokenMask");
    observation.image_masks = tensor_argument(inputs.Get("imageMasks"), "imageMasks");
    const at::Tensor noise = tensor_argument(info[1], "noise");
    const int64_t steps = info[2].As<Napi::Number>().Int64Value();
    ComputeThread& thread = Environment::of(info.Env()).inference(info.Env());
    const Work sample = [policy = policy(), observation, noise, steps,
                         stop = stop_request(info[3], thread)]() -> MakeValue {
      const at::Tensor actions = policy->sample(observation, noise, steps, stop);
      return [actions](Napi::Env env) -> Napi::Value { return TensorHandle::wrap(env, actions); };
    };
    return thread.run_or_wait(info[4], sample);
  });
}

Napi::Value PolicyHandle::SampleFile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ComputeThread& thread = Environment::of(info.Env()).inference(info.Env());
    return thread.run(info.Env(),
                      [policy = policy(), inputs = info[0].As<Napi::String>().Utf8Value(),
                       out = info[1].As<Napi::String>().Utf8Value(),
                       steps = info[2].As<Napi::Number>().Int64Value(),
                       stop = stop_request(info[3], thread)]() -> MakeValue {
                        sample_file(*policy, inputs, out, steps, stop);
                        return [](Napi::Env env) { return env.Undefined(); };
                      });
  });
}

Napi::Value PolicyHandle::ParameterCount(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(policy()->runner().parameter_count()));
  });
}

Napi::Value PolicyHandle::ParameterChecksums(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Work sum = [policy = policy()]() -> MakeValue {
      const auto checksums = policy->runner().parameter_checksums();
      return [checksums](Napi::Env env) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        for (const auto& [name, sum] : checksums) object.Set(name, static_cast<double>(sum));
        return object;
      };
    };
    return Environment::of(info.Env()).inference(info.Env()).run(info.Env(), sum);
  });
}

void PolicyHandle::Dispose(const Napi::CallbackInfo&) {
  policy_.reset();
}

std::shared_ptr<FrozenPolicy> PolicyHandle::policy() const {
  if (!policy_) throw Error("ERR_DSRL_DISPOSED", "the policy has been disposed of");
  return policy_;
}

}  // namespace dsrl::addon
