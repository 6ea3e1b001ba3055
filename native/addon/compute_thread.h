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
///     the garbage collector may take a handle while its job runs;
///  2. the thread is joined before libtorch's destructors run, on all three ways out: the exit
///     listener (shutdown()), the environment's cleanup hook, and atexit;
///  3. after the environment is gone nothing is called on its thread-safe function: the hook is
///     added after the function, so it joins the thread before Node closes it.
/// All methods but the thread's own loop belong to the JavaScript thread.
class ComputeThread {
 public:
  explicit ComputeThread(Napi::Env env);
  ~ComputeThread();
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /// Queues `work`; the promise settles when it has run.
  Napi::Promise run(Napi::Env env, Work work);

  /// Queues `work` and blocks the JavaScript thread until it has run, for control loops that want
  /// no turn of the event loop between question and answer. What is queued before runs before.
  Napi::Value wait(Napi::Env env, Work work);

  /// `wait` or `run`, as the caller's last argument asks; absent: `run`.
  Napi::Value run_or_wait(const Napi::Value& waits, Work work);

  /// Asks the running job to stop at its next safe point; jobs read the flag through cancelled().
  void cancel() { cancelled_->store(true); }
  std::shared_ptr<std::atomic<bool>> cancelled() const { return cancelled_; }

  /// Whether every promise of run() has settled.
  bool idle() const;

  /// Cancels, lets the running job reach a safe point, and joins. Queued jobs are dropped.
  void stop();

 private:
  struct Job;
  struct Queue;
  void enqueue(std::unique_ptr<Job> job);
  static void loop(std::shared_ptr<Queue> queue);

  friend void stop_threads(napi_env env);

  napi_env env_;
  std::shared_ptr<Queue> queue_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::thread thread_;
};

/// Stops the compute threads of one Node environment, or with nullptr of the process; idempotent.
/// A worker that ends stops its own: those of the main thread go on.
void stop_threads(napi_env env);

}  // namespace dsrl::addon
