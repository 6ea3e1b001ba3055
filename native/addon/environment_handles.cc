#include "addon/environment_handles.h"

#include <cstring>

#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/learner_handle.h"
#include "addon/settings.h"
#include "addon/tensor_handle.h"

namespace dsrl::addon {
namespace {

Napi::Object observation_object(Napi::Env env, const EnvObservation& observation) {
  Napi::Object images = Napi::Object::New(env);
  for (const auto& [camera, picture] : observation.images) {
    images.Set(camera, TensorHandle::wrap(env, picture));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("images", images);
  object.Set("states", TensorHandle::wrap(env, observation.states));
  return object;
}

template <typename Array, typename T>
Array array_of(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

}  // namespace

struct TabletopHandle::State : Shared<Tabletop> {
  using Shared<Tabletop>::Shared;
};

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

void TabletopHandle::Register(Napi::Env env, Napi::Object exports) {
  using Handle = TabletopHandle;
  exports.Set("Tabletop", DefineClass(env, "Tabletop",
                                      {InstanceMethod("numEnvs", &Handle::NumEnvs),
                                       InstanceMethod("numTasks", &Handle::NumTasks),
                                       InstanceMethod("numTrials", &Handle::NumTrials),
                                       InstanceMethod("actionDim", &Handle::ActionDim),
                                       InstanceMethod("restore", &Handle::Restore),
                                       InstanceMethod("observe", &Handle::Observe),
                                       InstanceMethod("stepChunk", &Handle::StepChunk),
                                       InstanceMethod("saveState", &Handle::SaveState),
                                       InstanceMethod("loadState", &Handle::LoadState)}));
}

TabletopHandle::TabletopHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TabletopHandle>(info) {
  guarded(info.Env(), [&] {
    state_ =
        std::make_shared<State>(info[0].As<Napi::Number>().Int64Value(), seed_argument(info[1]),
                                info[2].As<Napi::Number>().Int64Value());
  });
}

Napi::Value TabletopHandle::NumEnvs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state_->object.num_envs()));
}
Napi::Value TabletopHandle::NumTasks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state_->object.num_tasks()));
}
Napi::Value TabletopHandle::NumTrials(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state_->object.num_trials()));
}
Napi::Value TabletopHandle::ActionDim(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state_->object.action_dim()));
}

void TabletopHandle::Restore(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto lock = claim(*state_, "environment");
    state_->object.restore(info[0].As<Napi::Number>().Int64Value(),
                           info[1].As<Napi::Number>().Int64Value(),
                           info[2].As<Napi::Number>().Int64Value());
  });
}

Napi::Value TabletopHandle::Observe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto lock = claim(*state_, "environment");
    return observation_object(info.Env(), state_->object.observe());
  });
}

Napi::Value TabletopHandle::StepChunk(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor actions = tensor_argument(info[0], "actions");
    if (!info[1].IsTypedArray() ||
        info[1].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
      throw Napi::TypeError::New(info.Env(), "limit must be an Int32Array");
    }
    const auto limits = info[1].As<Napi::Int32Array>();
    const std::vector<int32_t> limit(limits.Data(), limits.Data() + limits.ElementLength());
    return Environment::of(info.Env())
        .inference(info.Env())
        .run(info.Env(), [state = state_, actions, limit]() -> MakeValue {
          const auto lock = claim(*state, "environment");
          ChunkResult result = state->object.step_chunk(actions.to(at::kCPU), limit);
          return [result = std::move(result)](Napi::Env env) -> Napi::Value {
            Napi::Object object = Napi::Object::New(env);
            object.Set("observation", observation_object(env, result.observation));
            object.Set("success", array_of<Napi::Uint8Array>(env, result.success));
            object.Set("executed", array_of<Napi::Int32Array>(env, result.executed));
            object.Set("failure", array_of<Napi::Int32Array>(env, result.failure));
            return object;
          };
        });
  });
}

Napi::Value TabletopHandle::SaveState(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto lock = claim(*state_, "environment");
    return array_of<Napi::Float64Array>(info.Env(), state_->object.save_state());
  });
}

void TabletopHandle::LoadState(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    if (!info[0].IsTypedArray() ||
        info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      throw Napi::TypeError::New(info.Env(), "state must be a Float64Array");
    }
    const auto saved = info[0].As<Napi::Float64Array>();
    const auto lock = claim(*state_, "environment");
    state_->object.load_state({saved.Data(), saved.Data() + saved.ElementLength()});
  });
}

}  // namespace dsrl::addon
