#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace dsrl::addon {

/// Makes the JavaScript value of a finished job, on the JavaScript thread.
using MakeValue = std::function<Napi::Value(Napi::Env)>;
/// A job: runs on the compute thread, touches no JavaScript, returns what makes its value.
using Work = std::function<MakeValue()>;

/// One long-lived native thread with a queue; libuv's pool is never used, so that file and network
/// work of the process is not starved, and OpenMP's team is made once.
///
/// Lifetimes, each of which is a crash if broken:
///  1. a job owns everything it touches (shared pointers, tensors), never a JavaScript handle, so
///     the garbage collector may take a handle while its job runs; but a handle that has a thread
///     of its own stays until its jobs are settled, since it joins the thread when it goes;
///  2. the thread is joined before libtorch's destructors run, on all three ways out: the exit
///     listener (shutdown()), the environment's cleanup hook, and atexit;
///  3. after the environment is gone nothing is called on its thread-safe function: the hook is
///     added after the function, so it joins the thread before Node closes it;
///  4. threads are asked to stop before one of them is joined: jobs wait for each other's objects
///     (Shared in learner_handle.h), and one that nobody has asked may hold what another waits for.
/// All methods but the thread's own loop belong to the JavaScript thread.
class ComputeThread {
 public:
  explicit ComputeThread(Napi::Env env);
  ~ComputeThread();
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /// Queues `work`; the promise settles when it has run, or with ERR_DSRL_DISPOSED when the thread
  /// is stopped before. `owner`, the handle that owns this thread, is kept until then.
  /// `cancelled` is what the job looks at to stop early: stop() sets it, as others may.
  Napi::Promise run(Napi::Env env, Work work, Napi::Object owner = {},
                    std::shared_ptr<std::atomic<bool>> cancelled = nullptr);

  /// Queues `work` and blocks the JavaScript thread until it has run, for control loops that want
  /// no turn of the event loop between question and answer. What is queued before runs before.
  Napi::Value wait(Napi::Env env, Work work);

  /// `wait` or `run`, as the caller's last argument asks; absent: `run`.
  Napi::Value run_or_wait(const Napi::Value& waits, Work work);

  /// Set once the thread is to stop: jobs look at it where they may end early.
  std::shared_ptr<const std::atomic<bool>> cancelled() const { return cancelled_; }

  /// Whether every promise of run() has settled.
  bool idle() const;

 private:
  struct Job;
  struct Queue;
  void enqueue(std::unique_ptr<Job> job);
  static void loop(std::shared_ptr<Queue> queue);
  static void settle(Queue& queue, std::unique_ptr<Job> job);
  static void at_environments_end(void* thread);

  /// Cancels the running job and rejects the queued ones.
  void ask_to_stop();
  /// As ask_to_stop, lets the running job reach a safe point, and joins. Idempotent.
  void stop();

  friend void stop_threads(napi_env env);

  napi_env env_;
  std::shared_ptr<Queue> queue_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::thread thread_;
  bool environment_ended_ = false;
};

/// Stops the compute threads of one Node environment, or with nullptr of the process; idempotent.
/// A worker that ends stops its own: those of the main thread go on.
void stop_threads(napi_env env);

}  // namespace dsrl::addon
