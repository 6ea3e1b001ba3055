#include "addon/learner_handle.h"

#include "addon/cancellation_handle.h"
#include "addon/environment.h"
#include "addon/guard.h"
#include "addon/settings.h"
#include "addon/tensor_handle.h"
#include "core/checkpoint/batch_file.h"
#include "core/checkpoint/learner_files.h"

namespace dsrl::addon {
namespace {

at::Device device_argument(const Napi::Value& value) {
  return at::Device(value.As<Napi::String>().Utf8Value());
}

Napi::Value row_object(Napi::Env env, const UpdateMetrics& row) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("update", static_cast<double>(row.update));
  for (const auto& [name, value] : row.values) object.Set(name, value);
  return object;
}

template <typename T>
std::vector<T> copied(const Napi::Value& value, napi_typedarray_type type, const char* what) {
  napi_typedarray_type found = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (!value.IsTypedArray() ||
      napi_get_typedarray_info(value.Env(), value, &found, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      found != type) {
    throw Napi::TypeError::New(value.Env(), std::string(what) + " has the wrong typed array");
  }
  const auto* first = static_cast<const T*>(data);
  return std::vector<T>(first, first + length);
}

}  // namespace

void AgentHandle::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Agent", DefineClass(env, "Agent",
                                   {InstanceMethod("act", &AgentHandle::Act),
                                    InstanceMethod("load", &AgentHandle::Load),
                                    InstanceMethod("version", &AgentHandle::Version),
                                    InstanceMethod("dispose", &AgentHandle::Dispose)}));
}

AgentHandle::AgentHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<AgentHandle>(info) {
  guarded(info.Env(), [&] {
    napi_type_tag_object(info.Env(), info.This(), &kTag);
    agent_.hold(std::make_shared<Agent>(network_config(info[0].As<Napi::Object>()),
                                        seed_argument(info[1]), device_argument(info[2])));
  });
}

Napi::Value AgentHandle::Act(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor frames = tensor_argument(info[0], "frames");
    const at::Tensor states = tensor_argument(info[1], "states");
    const int64_t step = info[2].As<Napi::Number>().Int64Value();
    const bool deterministic = info[3].ToBoolean().Value();
    const Work act = [agent = agent(), frames, states, step, deterministic]() -> MakeValue {
      const at::Tensor noise = agent->act(frames, states, step, deterministic);
      return [noise](Napi::Env env) -> Napi::Value { return TensorHandle::wrap(env, noise); };
    };
    return Environment::of(info.Env()).inference(info.Env()).run(info.Env(), act);
  });
}

void AgentHandle::Load(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    load_acting_agent(*agent(), info[0].As<Napi::String>().Utf8Value(),
                      info[1].As<Napi::Number>().Int64Value());
  });
}

Napi::Value AgentHandle::Version(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(agent()->version()));
  });
}

void AgentHandle::Dispose(const Napi::CallbackInfo&) {
  agent_.dispose();
}

void ReplayHandle::Register(Napi::Env env, Napi::Object exports) {
  using Handle = ReplayHandle;
  exports.Set("Replay", DefineClass(env, "Replay",
                                    {InstanceMethod("append", &Handle::Append),
                                     InstanceMethod("size", &Handle::Count<&Replay::size>),
                                     InstanceMethod("total", &Handle::Count<&Replay::total>),
                                     InstanceMethod("capacity", &Handle::Count<&Replay::capacity>),
                                     InstanceMethod("save", &Handle::Save),
                                     InstanceMethod("load", &Handle::Load),
                                     InstanceMethod("dispose", &Handle::Dispose)}));
}

ReplayHandle::ReplayHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ReplayHandle>(info) {
  guarded(info.Env(), [&] {
    napi_type_tag_object(info.Env(), info.This(), &kTag);
    replay_.hold(std::make_shared<Shared<Replay>>(
        network_config(info[0].As<Napi::Object>()), info[1].As<Napi::Number>().Int64Value(),
        info[2].As<Napi::Number>().Int64Value(), device_argument(info[3])));
  });
}

void ReplayHandle::Append(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto object = info[0].As<Napi::Object>();
    ReplayRows rows;
    rows.images = tensor_argument(object.Get("images"), "images");
    rows.states = tensor_argument(object.Get("states"), "states");
    rows.next_images = tensor_argument(object.Get("nextImages"), "nextImages");
    rows.next_states = tensor_argument(object.Get("nextStates"), "nextStates");
    rows.noise = tensor_argument(object.Get("noise"), "noise");
    rows.rewards = copied<float>(object.Get("rewards"), napi_float32_array, "rewards");
    rows.steps = copied<int32_t>(object.Get("steps"), napi_int32_array, "steps");
    rows.terminated = copied<uint8_t>(object.Get("terminated"), napi_uint8_array, "terminated");
    rows.active = copied<uint8_t>(object.Get("active"), napi_uint8_array, "active");
    rows.version = object.Get("version").As<Napi::Number>().Int64Value();
    const auto lock = claim(*replay(), "replay");
    replay()->object.append(rows);
  });
}

template <int64_t (Replay::*count)() const>
Napi::Value ReplayHandle::Count(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Replay& held = replay()->object;
    return Napi::Number::New(info.Env(), static_cast<double>((held.*count)()));
  });
}

Napi::Value ReplayHandle::Save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string folder = info[0].As<Napi::String>().Utf8Value();
    const std::string previous = info[1].As<Napi::String>().Utf8Value();
    return Environment::of(info.Env())
        .inference(info.Env())
        .run(info.Env(), [replay = replay(), folder, previous]() -> MakeValue {
          const auto lock = wait_for(*replay);
          replay->object.save(folder, previous);
          return [](Napi::Env env) { return env.Undefined(); };
        });
  });
}

Napi::Value ReplayHandle::Load(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string folder = info[0].As<Napi::String>().Utf8Value();
    return Environment::of(info.Env())
        .inference(info.Env())
        .run(info.Env(), [replay = replay(), folder]() -> MakeValue {
          const auto lock = wait_for(*replay);
          replay->object.load(folder);
          return [](Napi::Env env) { return env.Undefined(); };
        });
  });
}

void ReplayHandle::Dispose(const Napi::CallbackInfo&) {
  replay_.dispose();
}

void LearnerHandle::Register(Napi::Env env, Napi::Object exports) {
  using Handle = LearnerHandle;
  exports.Set("Learner",
              DefineClass(env, "Learner",
                          {InstanceMethod("update", &Handle::Update),
                           InstanceMethod("updateFromFile", &Handle::UpdateFromFile),
                           InstanceMethod("publish", &Handle::Publish),
                           InstanceMethod("finite", &Handle::Finite),
                           InstanceMethod("updates", &Handle::Updates),
                           InstanceMethod("setUpdates", &Handle::SetUpdates),
                           InstanceMethod("parameterCounts", &Handle::ParameterCounts),
                           InstanceMethod("resetTarget", &Handle::ResetTarget),
                           InstanceMethod("saveAgent", &Handle::Save<save_agent>),
                           InstanceMethod("saveTarget", &Handle::Save<save_target>),
                           InstanceMethod("saveOptimizer", &Handle::Save<save_optimizer>),
                           InstanceMethod("loadAgent", &Handle::Load<load_agent>),
                           InstanceMethod("loadTarget", &Handle::Load<load_target>),
                           InstanceMethod("loadOptimizer", &Handle::Load<load_optimizer>),
                           InstanceMethod("dispose", &Handle::Dispose)}));
}

LearnerHandle::LearnerHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<LearnerHandle>(info) {
  guarded(info.Env(), [&] {
    learner_.hold(std::make_shared<Shared<Learner>>(learner_config(info[0].As<Napi::Object>()),
                                                    seed_argument(info[1]),
                                                    device_argument(info[2])));
  });
}

ComputeThread& LearnerHandle::thread(Napi::Env env) {
  if (!thread_) thread_ = std::make_unique<ComputeThread>(env);
  return *thread_;
}

Napi::Value LearnerHandle::Update(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t count = info[0].As<Napi::Number>().Int64Value();
    const auto learner = learner_.get();
    const auto replay = unwrap<ReplayHandle>(info[1], "replay").replay();
    auto cancelled = CancellationHandle::flag(info[2]);
    if (!cancelled) cancelled = std::make_shared<std::atomic<bool>>(false);
    const Work update = [learner, replay, count, cancelled]() -> MakeValue {
      const auto learner_lock = wait_for(*learner);
      const auto replay_lock = wait_for(*replay);
      auto rows = learner->object.update(count, replay->object, *cancelled);
      return [rows = std::move(rows)](Napi::Env env) -> Napi::Value {
        Napi::Array array = Napi::Array::New(env, rows.size());
        for (uint32_t i = 0; i < rows.size(); ++i) array.Set(i, row_object(env, rows[i]));
        return array;
      };
    };
    return thread(info.Env()).run(info.Env(), update, info.This().As<Napi::Object>(), cancelled);
  });
}

Napi::Value LearnerHandle::UpdateFromFile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto lock = claim(*learner_.get(), "learner");
    Learner& learner = learner_.get()->object;
    const BatchFile file = read_batch(info[0].As<Napi::String>().Utf8Value(),
                                      learner.config().network, learner.device());
    return row_object(info.Env(), Learner::read({learner.update(file.batch, file.noise)}).at(0));
  });
}

void LearnerHandle::Publish(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto lock = claim(*learner_.get(), "learner");
    learner_.get()->object.publish(*unwrap<AgentHandle>(info[0], "agent").agent());
  });
}

Napi::Value LearnerHandle::Finite(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Work look = [learner = learner_.get()]() -> MakeValue {
      const auto lock = wait_for(*learner);
      const bool finite = learner->object.finite();
      return [finite](Napi::Env env) { return Napi::Boolean::New(env, finite); };
    };
    return thread(info.Env()).run(info.Env(), look, info.This().As<Napi::Object>());
  });
}

Napi::Value LearnerHandle::Updates(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(learner_.get()->object.updates()));
  });
}

void LearnerHandle::SetUpdates(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto lock = claim(*learner_.get(), "learner");
    learner_.get()->object.set_updates(info[0].As<Napi::Number>().Int64Value());
  });
}

Napi::Value LearnerHandle::ParameterCounts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Learner& learner = learner_.get()->object;
    Napi::Object counts = Napi::Object::New(info.Env());
    counts.Set("actor", static_cast<double>(learner.actor_parameters()));
    counts.Set("critic", static_cast<double>(learner.critic_parameters()));
    counts.Set("heads", static_cast<double>(learner.head_parameters()));
    return counts;
  });
}

void LearnerHandle::ResetTarget(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto lock = claim(*learner_.get(), "learner");
    learner_.get()->object.reset_target();
  });
}

template <void (*Transfer)(const Learner&, const std::string&)>
Napi::Value LearnerHandle::Save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string file = info[0].As<Napi::String>().Utf8Value();
    const Work save = [learner = learner_.get(), file]() -> MakeValue {
      const auto lock = wait_for(*learner);
      Transfer(learner->object, file);
      return [](Napi::Env env) { return env.Undefined(); };
    };
    return thread(info.Env()).run(info.Env(), save, info.This().As<Napi::Object>());
  });
}

template <void (*Transfer)(Learner&, const std::string&)>
void LearnerHandle::Load(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto lock = claim(*learner_.get(), "learner");
    Transfer(learner_.get()->object, info[0].As<Napi::String>().Utf8Value());
  });
}

void LearnerHandle::Dispose(const Napi::CallbackInfo&) {
  learner_.dispose();
  // Joining a busy thread would hold the event loop: such a one goes with the handle.
  if (thread_ && thread_->idle()) thread_.reset();
}

}  // namespace dsrl::addon
