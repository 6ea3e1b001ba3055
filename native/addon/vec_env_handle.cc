#include "addon/vec_env_handle.h"

#include <cstring>

#include "addon/environment.h"
#include "addon/fields.h"
#include "addon/guard.h"
#include "addon/learner_handle.h"
#include "addon/libero_options.h"
#include "addon/settings.h"
#include "addon/tensor_handle.h"
#include "core/env/libero.h"
#include "core/env/tabletop.h"
#include "core/error.h"

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

std::vector<int32_t> integers(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + " must be an Int32Array");
  }
  const auto given = value.As<Napi::Int32Array>();
  return {given.Data(), given.Data() + given.ElementLength()};
}

std::unique_ptr<VecEnv> create(const std::string& kind, const Napi::Object& options) {
  if (kind == "tabletop") {
    return std::make_unique<Tabletop>(
        integer(options, "numEnvs"), seed_argument(options.Get("seed")),
        integer(options, "imageSize"), texts(options, "cameras"), integer(options, "frameSize"));
  }
  if (kind == "libero") return std::make_unique<Libero>(libero_options(options));
  throw Error("ERR_DSRL_ENVIRONMENT", "there is no environment backend '" + kind + "'");
}

}  // namespace

struct VecEnvHandle::State : Shared<std::unique_ptr<VecEnv>> {
  using Shared<std::unique_ptr<VecEnv>>::Shared;
};

void VecEnvHandle::Register(Napi::Env env, Napi::Object exports) {
  using Handle = VecEnvHandle;
  exports.Set("VecEnv",
              DefineClass(env, "VecEnv",
                          {InstanceMethod("numEnvs", &Handle::Size<&VecEnv::num_envs>),
                           InstanceMethod("numTasks", &Handle::Size<&VecEnv::num_tasks>),
                           InstanceMethod("numTrials", &Handle::Size<&VecEnv::num_trials>),
                           InstanceMethod("actionDim", &Handle::Size<&VecEnv::action_dim>),
                           InstanceMethod("restore", &Handle::Restore),
                           InstanceMethod("observe", &Handle::Observe),
                           InstanceMethod("stepChunk", &Handle::StepChunk),
                           InstanceMethod("interior", &Handle::Interior),
                           InstanceMethod("expertStep", &Handle::ExpertStep),
                           InstanceMethod("saveState", &Handle::SaveState),
                           InstanceMethod("loadState", &Handle::LoadState),
                           InstanceMethod("dispose", &Handle::Dispose)}));
}

VecEnvHandle::VecEnvHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VecEnvHandle>(info) {
  guarded(info.Env(), [&] {
    const std::string kind = info[0].As<Napi::String>().Utf8Value();
    state_.hold(std::make_shared<State>(create(kind, info[1].As<Napi::Object>())));
  });
}

template <int64_t (VecEnv::*size)() const>
Napi::Value VecEnvHandle::Size(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const VecEnv& envs = *state_.get()->object;
    return Napi::Number::New(info.Env(), static_cast<double>((envs.*size)()));
  });
}

void VecEnvHandle::Restore(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto lock = claim(*state_.get(), "environment");
    state_.get()->object->restore(info[0].As<Napi::Number>().Int64Value(),
                                  info[1].As<Napi::Number>().Int64Value(),
                                  info[2].As<Napi::Number>().Int64Value());
  });
}

Napi::Value VecEnvHandle::Observe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto lock = claim(*state_.get(), "environment");
    return observation_object(info.Env(), state_.get()->object->observe());
  });
}

Napi::Value VecEnvHandle::StepChunk(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor actions = tensor_argument(info[0], "actions");
    const std::vector<int32_t> limit = integers(info[1], "limit");
    const bool pictures = info[2].IsUndefined() || info[2].ToBoolean();
    std::vector<uint8_t> filmed;
    if (info[3].IsTypedArray() &&
        info[3].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
      const auto yes = info[3].As<Napi::Uint8Array>();
      filmed.assign(yes.Data(), yes.Data() + yes.ElementLength());
    } else if (!info[3].IsUndefined()) {
      throw Napi::TypeError::New(info.Env(), "filmed must be a Uint8Array");
    }
    return Environment::of(info.Env())
        .inference(info.Env())
        .run(info.Env(), [state = state_.get(), actions, limit, pictures, filmed]() -> MakeValue {
          const auto lock = wait_for(*state);
          ChunkResult result =
              state->object->step_chunk(actions.to(at::kCPU), limit, pictures, filmed);
          return [result = std::move(result)](Napi::Env env) -> Napi::Value {
            Napi::Object object = Napi::Object::New(env);
            object.Set("observation", observation_object(env, result.observation));
            object.Set("success", array_of<Napi::Uint8Array>(env, result.success));
            object.Set("executed", array_of<Napi::Int32Array>(env, result.executed));
            object.Set("failure", array_of<Napi::Int32Array>(env, result.failure));
            if (result.frames.defined()) {
              object.Set("frames", TensorHandle::wrap(env, result.frames));
            }
            return object;
          };
        });
  });
}

Napi::Value VecEnvHandle::Interior(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto lock = claim(*state_.get(), "environment");
    const EnvInterior inside =
        state_.get()->object->interior(info[0].As<Napi::Number>().Int64Value());
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("qpos", array_of<Napi::Float64Array>(info.Env(), inside.qpos));
    object.Set("qvel", array_of<Napi::Float64Array>(info.Env(), inside.qvel));
    object.Set("state", array_of<Napi::Float64Array>(info.Env(), inside.state));
    return object;
  });
}

Napi::Value VecEnvHandle::ExpertStep(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::vector<int32_t> errands = integers(info[0], "errands");
    const auto lock = claim(*state_.get(), "environment");
    const auto step = state_.get()->object->expert_step(errands);
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("actions", TensorHandle::wrap(info.Env(), step.actions));
    object.Set("phases", array_of<Napi::Int32Array>(info.Env(), step.phases));
    return object;
  });
}

Napi::Value VecEnvHandle::SaveState(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto lock = claim(*state_.get(), "environment");
    return array_of<Napi::Float64Array>(info.Env(), state_.get()->object->save_state());
  });
}

void VecEnvHandle::LoadState(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    if (!info[0].IsTypedArray() ||
        info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      throw Napi::TypeError::New(info.Env(), "state must be a Float64Array");
    }
    const auto saved = info[0].As<Napi::Float64Array>();
    const auto lock = claim(*state_.get(), "environment");
    state_.get()->object->load_state({saved.Data(), saved.Data() + saved.ElementLength()});
  });
}

void VecEnvHandle::Dispose(const Napi::CallbackInfo&) {
  state_.dispose();
}

}  // namespace dsrl::addon
