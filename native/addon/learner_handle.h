#pragma once

#include <napi.h>

#include <memory>
#include <mutex>

#include "addon/compute_thread.h"
#include "addon/disposable.h"
#include "core/error.h"
#include "core/replay/replay.h"
#include "core/sac/agent.h"
#include "core/sac/learner.h"

namespace dsrl::addon {

/// A core object and the lock that says who uses it. JavaScript may call at any time; a call that
/// does its work at once and finds the object in use fails with ERR_DSRL_BUSY instead of waiting,
/// since waiting would hold the event loop for a whole block of updates. A job on a compute thread
/// waits: whether it works must not depend on which thread came first.
template <typename T>
struct Shared {
  template <typename... Arguments>
  explicit Shared(Arguments&&... arguments) : object(std::forward<Arguments>(arguments)...) {}
  T object;
  std::mutex mutex;
};

template <typename T>
std::unique_lock<std::mutex> claim(Shared<T>& shared, const char* what) {
  std::unique_lock<std::mutex> lock(shared.mutex, std::try_to_lock);
  if (!lock) {
    throw Error("ERR_DSRL_BUSY",
                std::string("the ") + what + " is in use by an update: await it before this call");
  }
  return lock;
}

/// For jobs. One that takes two takes the learner before the replay, or two would wait for ever.
template <typename T>
std::unique_lock<std::mutex> wait_for(Shared<T>& shared) {
  return std::unique_lock<std::mutex>(shared.mutex);
}

/// The acting agent (core/sac/agent.h, which has its own lock).
class AgentHandle : public Napi::ObjectWrap<AgentHandle> {
 public:
  static constexpr napi_type_tag kTag{0x6473726c4167656e, 0x7448616e646c6501};
  static void Register(Napi::Env env, Napi::Object exports);
  explicit AgentHandle(const Napi::CallbackInfo& info);
  const std::shared_ptr<Agent>& agent() const { return agent_.get(); }

 private:
  Napi::Value Act(const Napi::CallbackInfo& info);
  void Load(const Napi::CallbackInfo& info);
  Napi::Value Version(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);
  Disposable<Agent> agent_{"agent"};
};

class ReplayHandle : public Napi::ObjectWrap<ReplayHandle> {
 public:
  static constexpr napi_type_tag kTag{0x6473726c5265706c, 0x617948616e646c01};
  static void Register(Napi::Env env, Napi::Object exports);
  explicit ReplayHandle(const Napi::CallbackInfo& info);
  const std::shared_ptr<Shared<Replay>>& replay() const { return replay_.get(); }

 private:
  void Append(const Napi::CallbackInfo& info);
  template <int64_t (Replay::*count)() const>
  Napi::Value Count(const Napi::CallbackInfo& info);
  Napi::Value Save(const Napi::CallbackInfo& info);
  Napi::Value Load(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);
  Disposable<Shared<Replay>> replay_{"replay"};
};

/// The learner, with a compute thread of its own: updates, the look at every weight and the writing
/// of files run there, one after another; the event loop waits for none of them.
class LearnerHandle : public Napi::ObjectWrap<LearnerHandle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit LearnerHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value Update(const Napi::CallbackInfo& info);
  Napi::Value UpdateFromFile(const Napi::CallbackInfo& info);
  void Publish(const Napi::CallbackInfo& info);
  Napi::Value Finite(const Napi::CallbackInfo& info);
  Napi::Value Updates(const Napi::CallbackInfo& info);
  void SetUpdates(const Napi::CallbackInfo& info);
  Napi::Value ParameterCounts(const Napi::CallbackInfo& info);
  void ResetTarget(const Napi::CallbackInfo& info);
  template <void (*Transfer)(const Learner&, const std::string&)>
  Napi::Value Save(const Napi::CallbackInfo& info);
  template <void (*Transfer)(Learner&, const std::string&)>
  void Load(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);

  ComputeThread& thread(Napi::Env env);

  Disposable<Shared<Learner>> learner_{"learner"};
  std::unique_ptr<ComputeThread> thread_;  // made at its first job
};

}  // namespace dsrl::addon
