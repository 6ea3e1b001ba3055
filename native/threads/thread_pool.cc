#include "threads/thread_pool.h"

namespace dsrl {

ThreadPool::ThreadPool(size_t workers) {
  threads_.reserve(workers);
  try {
    for (size_t worker = 0; worker < workers; ++worker) {
      threads_.emplace_back([this, worker] { serve(worker); });
    }
  } catch (...) {
    stop();  // a running thread's destructor would end the process
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(size_t count, const Work& work) {
  start(count, false, work);
}
void ThreadPool::run_on_each(const Work& work) {
  start(size(), true, work);
}

void ThreadPool::start(size_t count, bool by_worker, const Work& work) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  count_ = count;
  next_ = 0;
  by_worker_ = by_worker;
  failures_.assign(count, nullptr);
  busy_ = size();
  ++round_;
  wake_.notify_all();
  done_.wait(lock, [this] { return busy_ == 0; });
  for (const std::exception_ptr& failure : failures_) {
    if (failure) std::rethrow_exception(failure);
  }
}

void ThreadPool::serve(size_t worker) {
  size_t seen = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
    if (stopping_) return;
    seen = round_;
    for (bool first = true; by_worker_ ? first : next_ < count_; first = false) {
      const size_t index = by_worker_ ? worker : next_++;
      lock.unlock();
      std::exception_ptr failure;
      try {
        (*work_)(index, worker);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      failures_[index] = failure;
    }
    if (--busy_ == 0) done_.notify_one();
  }
}

}  // namespace dsrl
