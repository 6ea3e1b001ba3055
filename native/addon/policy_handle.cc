#include "addon/policy_handle.h"

#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/settings.h"
#include "addon/tensor_handle.h"

namespace dsrl::addon {

void PolicyHandle::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("FrozenPolicy",
              DefineClass(env, "FrozenPolicy",
                          {InstanceMethod("sample", &PolicyHandle::Sample),
                           InstanceMethod("parameterCount", &PolicyHandle::ParameterCount),
                           InstanceMethod("dispose", &PolicyHandle::Dispose)}));
}

PolicyHandle::PolicyHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PolicyHandle>(info) {
  guarded(info.Env(), [&] {
    policy_ = std::make_shared<FrozenPolicy>(info[0].As<Napi::String>().Utf8Value(),
                                             policy_spec(info[1].As<Napi::Object>()),
                                             at::Device(info[2].As<Napi::String>().Utf8Value()));
  });
}

Napi::Value PolicyHandle::Sample(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    PolicyObservation observation;
    const auto cameras = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i < cameras.Length(); ++i) {
      observation.images.push_back(tensor_argument(cameras.Get(i), "images"));
    }
    observation.states = tensor_argument(info[1], "states");
    observation.tokens = tensor_argument(info[2], "tokens");
    observation.token_mask = tensor_argument(info[3], "tokenMask");
    const at::Tensor noise = tensor_argument(info[4], "noise");
    const int64_t steps = info[5].As<Napi::Number>().Int64Value();
    return Environment::of(info.Env())
        .inference(info.Env())
        .run(info.Env(), [policy = policy(), observation, noise, steps]() -> MakeValue {
          const at::Tensor actions = policy->sample(observation, noise, steps);
          return
              [actions](Napi::Env env) -> Napi::Value { return TensorHandle::wrap(env, actions); };
        });
  });
}

Napi::Value PolicyHandle::ParameterCount(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(policy()->parameter_count()));
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
