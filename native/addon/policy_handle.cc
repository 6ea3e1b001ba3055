#include "addon/policy_handle.h"

#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/policy_call.h"
#include "addon/settings.h"
#include "addon/tensor_handle.h"
#include "addon/typed_array.h"
#include "core/flow/sample_file.h"

namespace dsrl::addon {
void PolicyHandle::Register(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = DefineClass(
      env, "FrozenPolicy",
      {StaticMethod("load", &PolicyHandle::Load), InstanceMethod("sample", &PolicyHandle::Sample),
       InstanceMethod("infer", &PolicyHandle::Infer),
       InstanceMethod("inferSync", &PolicyHandle::InferSync),
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
    ComputeThread& thread = Environment::of(info.Env()).inference(info.Env());
    return thread.run(info.Env(), [call = policy_call(info, policy(), thread)]() -> MakeValue {
      const at::Tensor actions = call();
      return [actions](Napi::Env env) { return TensorHandle::wrap(env, actions); };
    });
  });
}

Napi::Value PolicyHandle::Infer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ComputeThread& thread = Environment::of(info.Env()).inference(info.Env());
    return thread.run(info.Env(), [call = policy_call(info, policy(), thread)]() -> MakeValue {
      const at::Tensor actions = call().cpu().contiguous();
      return [actions](Napi::Env env) { return values_of(env, actions); };
    });
  });
}

Napi::Value PolicyHandle::InferSync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ComputeThread& thread = Environment::of(info.Env()).inference(info.Env());
    const auto actions = std::make_shared<at::Tensor>();
    const auto call = policy_call(info, policy(), thread);
    thread.wait(info.Env(), [call, actions]() -> MakeValue {
      *actions = call().cpu().contiguous();
      return [](Napi::Env env) { return env.Undefined(); };
    });
    copy_into(info[4], *actions);
    return info[4];
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
