#include "addon/compute_thread.h"

#include <cstdlib>
#include <future>
#include <optional>
#include <set>
#include <vector>

#include "addon/guard.h"
#include "addon/torch_threads.h"

namespace dsrl::addon {
namespace {

// Every live thread, for atexit. Leaked on purpose: a static with a destructor would be gone
// before the last thread is joined.
struct Registry {
  std::mutex mutex;
  std::set<ComputeThread*> threads;
};

Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void stop_at_exit() {
  stop_threads(nullptr);
}

}  // namespace

struct ComputeThread::Job {
  explicit Job(Work body) : work(std::move(body)) {}
  /// Settles the promise, on the JavaScript thread. Without an environment, which Node's closing of
  /// the function means, there is nobody to tell: what the job holds is freed.
  static void deliver(Napi::Env env, Napi::Function, std::nullptr_t*, Job* raw);

  std::optional<Napi::Promise::Deferred> deferred;  // none: somebody waits for the job itself
  Napi::ObjectReference owner;
  std::shared_ptr<Queue> queue;  // of a job with a promise
  std::shared_ptr<std::atomic<bool>> cancelled;
  Work work;
  MakeValue make_value;
  std::exception_ptr failure;
};

struct ComputeThread::Queue {
  // Typed: the untyped one calls nothing when the environment has ended, and each result that lay
  // there would leak with its tensors.
  using ToJavaScript = Napi::TypedThreadSafeFunction<std::nullptr_t, Job, Job::deliver>;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<Job>> jobs;
  std::shared_ptr<std::atomic<bool>> cancels_running;  // the running job's own flag, if it has one
  bool stopping = false;
  ToJavaScript to_javascript;
  int pending = 0;  // jobs not yet settled; the JavaScript thread's own
};

void ComputeThread::Job::deliver(Napi::Env env, Napi::Function, std::nullptr_t*, Job* raw) {
  const std::unique_ptr<Job> done(raw);
  if (static_cast<napi_env>(env) == nullptr) return;
  if (--done->queue->pending == 0) done->queue->to_javascript.Unref(env);
  const Napi::HandleScope scope(env);
  try {
    if (done->failure) std::rethrow_exception(done->failure);
    done->deferred->Resolve(done->make_value(env));
  } catch (...) {
    done->deferred->Reject(current_exception(env).Value());
  }
}

ComputeThread::ComputeThread(Napi::Env env)
    : env_(env),
      queue_(std::make_shared<Queue>()),
      cancelled_(std::make_shared<std::atomic<bool>>(false)) {
  static const bool registered = std::atexit(stop_at_exit) == 0;
  (void)registered;
  queue_->to_javascript = Queue::ToJavaScript::New(env, "dsrl-native", 0, 1);
  queue_->to_javascript.Unref(env);
  try {
    thread_ = std::thread(loop, queue_);
  } catch (...) {  // the system has no thread left: nothing may stay that knows of this object
    queue_->to_javascript.Release();
    throw;
  }
  // Hooks run last first: this one before that by which Node closes the function made above. The
  // destructor alone would come too late, when Node frees the first of an environment's functions.
  napi_add_env_cleanup_hook(env, at_environments_end, this);
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().threads.insert(this);
}

ComputeThread::~ComputeThread() {
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    registry().threads.erase(this);
  }
  napi_remove_env_cleanup_hook(env_, at_environments_end, this);
  stop();
  // Node closes it once the last result is delivered; at an environment's end it has done so.
  if (!environment_ended_) queue_->to_javascript.Release();
}

void ComputeThread::at_environments_end(void* thread) {
  auto* const self = static_cast<ComputeThread*>(thread);
  stop_threads(self->env_);
  self->environment_ended_ = true;
}

void ComputeThread::ask_to_stop() {
  cancelled_->store(true);
  std::deque<std::unique_ptr<Job>> dropped;
  {
    const std::lock_guard<std::mutex> lock(queue_->mutex);
    queue_->stopping = true;
    if (queue_->cancels_running) queue_->cancels_running->store(true);
    dropped.swap(queue_->jobs);
  }
  queue_->wake.notify_all();
  for (std::unique_ptr<Job>& job : dropped) {
    job->failure = std::make_exception_ptr(
        Error("ERR_DSRL_DISPOSED", "the native thread was stopped before it came to this call"));
    settle(*queue_, std::move(job));
  }
}

void ComputeThread::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

Napi::Promise ComputeThread::run(Napi::Env env, Work work, Napi::Object owner,
                                 std::shared_ptr<std::atomic<bool>> cancelled) {
  auto job = std::make_unique<Job>(std::move(work));
  job->queue = queue_;
  job->cancelled = std::move(cancelled);
  if (!owner.IsEmpty()) job->owner = Napi::Persistent(owner);
  job->deferred = Napi::Promise::Deferred::New(env);
  const Napi::Promise promise = job->deferred->Promise();
  enqueue(std::move(job));
  // The event loop stays alive while work is under way, and only then.
  if (queue_->pending++ == 0) queue_->to_javascript.Ref(env);
  return promise;
}

Napi::Value ComputeThread::wait(Napi::Env env, Work work) {
  // Shared: std::function wants to be copied, and the task must not be.
  const auto task = std::make_shared<std::packaged_task<MakeValue()>>(std::move(work));
  std::future<MakeValue> made = task->get_future();
  enqueue(std::make_unique<Job>([task]() -> MakeValue {
    (*task)();
    return {};
  }));
  return made.get()(env);
}

Napi::Value ComputeThread::run_or_wait(const Napi::Value& waits, Work work) {
  const Napi::Env env = waits.Env();
  if (waits.ToBoolean().Value()) return wait(env, std::move(work));
  return run(env, std::move(work));
}

bool ComputeThread::idle() const {
  return queue_->pending == 0;
}

void ComputeThread::enqueue(std::unique_ptr<Job> job) {
  {
    const std::lock_guard<std::mutex> lock(queue_->mutex);
    if (queue_->stopping) {
      throw Error("ERR_DSRL_DISPOSED", "the native runtime has been shut down");
    }
    queue_->jobs.push_back(std::move(job));
  }
  queue_->wake.notify_one();
}

void ComputeThread::loop(std::shared_ptr<Queue> queue) {
  while (true) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock<std::mutex> lock(queue->mutex);
      queue->wake.wait(lock, [&] { return queue->stopping || !queue->jobs.empty(); });
      if (queue->stopping) return;
      job = std::move(queue->jobs.front());
      queue->jobs.pop_front();
      queue->cancels_running = job->cancelled;
    }
    try {
      apply_torch_threads();
      job->make_value = job->work();
    } catch (...) {
      job->failure = std::current_exception();
    }
    settle(*queue, std::move(job));
  }
}

void ComputeThread::settle(Queue& queue, std::unique_ptr<Job> job) {
  job->work = nullptr;  // what the job owns is released here, not on the JavaScript thread
  if (!job->deferred) return;
  if (queue.to_javascript.NonBlockingCall(job.get()) != napi_ok) {
    job->owner.SuppressDestruct();  // a reference is not deleted on this thread
    return;
  }
  job.release();
}

void stop_threads(napi_env env) {
  // Held throughout: a thread's destructor, which may run in another worker, waits here instead of
  // joining the thread a second time. The threads themselves never take this mutex.
  const std::lock_guard<std::mutex> lock(registry().mutex);
  std::vector<ComputeThread*> stopped;
  for (ComputeThread* thread : registry().threads) {
    if (env == nullptr || thread->env_ == env) stopped.push_back(thread);
  }
  for (ComputeThread* thread : stopped) thread->ask_to_stop();
  for (ComputeThread* thread : stopped) thread->stop();
}

}  // namespace dsrl::addon
