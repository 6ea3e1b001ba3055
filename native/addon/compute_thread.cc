#include "addon/compute_thread.h"

#include <cstdlib>
#include <future>
#include <optional>
#include <set>

#include "addon/guard.h"

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

void stop_at_environments_end(void* thread) {
  // Another worker's thread may stop all of them at this moment: no thread is joined twice.
  const std::lock_guard<std::mutex> lock(registry().mutex);
  static_cast<ComputeThread*>(thread)->stop();
}

}  // namespace

struct ComputeThread::Job {
  explicit Job(Work body) : work(std::move(body)) {}
  std::optional<Napi::Promise::Deferred> deferred;  // none: somebody waits for the job itself
  Work work;
  MakeValue make_value;
  std::exception_ptr failure;
};

struct ComputeThread::Queue {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<Job>> jobs;
  bool stopping = false;
  Napi::ThreadSafeFunction to_javascript;
  int pending = 0;  // jobs not yet settled; the JavaScript thread's own
};

ComputeThread::ComputeThread(Napi::Env env)
    : env_(env),
      queue_(std::make_shared<Queue>()),
      cancelled_(std::make_shared<std::atomic<bool>>(false)) {
  static const bool registered = std::atexit(stop_at_exit) == 0;
  (void)registered;
  queue_->to_javascript = Napi::ThreadSafeFunction::New(
      env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "dsrl-native", 0, 1);
  queue_->to_javascript.Unref(env);
  // Hooks run last first: this one before that by which Node closes the function made above. The
  // destructor alone would come too late, when Node frees the first of an environment's functions.
  napi_add_env_cleanup_hook(env, stop_at_environments_end, this);
  thread_ = std::thread(loop, queue_);
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().threads.insert(this);
}

ComputeThread::~ComputeThread() {
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    registry().threads.erase(this);
  }
  napi_remove_env_cleanup_hook(env_, stop_at_environments_end, this);
  stop();
}

void ComputeThread::stop() {
  cancelled_->store(true);
  std::deque<std::unique_ptr<Job>> dropped;
  {
    const std::lock_guard<std::mutex> lock(queue_->mutex);
    queue_->stopping = true;
    dropped.swap(queue_->jobs);
  }
  queue_->wake.notify_all();
  if (thread_.joinable()) thread_.join();
}

Napi::Promise ComputeThread::run(Napi::Env env, Work work) {
  auto job = std::make_unique<Job>(std::move(work));
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
    }
    try {
      job->make_value = job->work();
    } catch (...) {
      job->failure = std::current_exception();
    }
    job->work = nullptr;  // what the job owns is released here, not on the JavaScript thread
    if (!job->deferred) continue;
    Job* const settled = job.get();
    const napi_status status = queue->to_javascript.NonBlockingCall(
        settled, [queue](Napi::Env env, Napi::Function, Job* raw) {
          const std::unique_ptr<Job> done(raw);
          if (static_cast<napi_env>(env) == nullptr) return;  // the environment is going down
          if (--queue->pending == 0) queue->to_javascript.Unref(env);
          const Napi::HandleScope scope(env);
          try {
            if (done->failure) std::rethrow_exception(done->failure);
            done->deferred->Resolve(done->make_value(env));
          } catch (...) {
            done->deferred->Reject(current_exception(env).Value());
          }
        });
    if (status == napi_ok) job.release();
  }
}

void stop_threads(napi_env env) {
  // Held throughout: a thread's destructor, which may run in another worker, waits here instead of
  // joining the thread a second time. The threads themselves never take this mutex.
  const std::lock_guard<std::mutex> lock(registry().mutex);
  for (ComputeThread* thread : registry().threads) {
    if (env == nullptr || thread->env_ == env) thread->stop();
  }
}

}  // namespace dsrl::addon
