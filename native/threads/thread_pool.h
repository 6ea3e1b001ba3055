#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dsrl {

/// Threads that share out numbered work. A worker keeps its number for life, so that what belongs
/// to one thread (a GL context) can be kept by that number.
class ThreadPool {
 public:
  /// Throws std::system_error where the system has no thread left, and std::bad_alloc.
  explicit ThreadPool(size_t workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const { return threads_.size(); }
  using Work = std::function<void(size_t index, size_t worker)>;
  /// Runs work(0..count-1), each once, on any worker, and waits for all. What the lowest failing
  /// index threw is thrown here, when all have ended.
  void run(size_t count, const Work& work);
  /// Runs work(worker, worker) once on each worker.
  void run_on_each(const Work& work);

 private:
  void stop();
  void serve(size_t worker);
  void start(size_t count, bool by_worker, const Work& work);

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const Work* work_ = nullptr;
  size_t count_ = 0, next_ = 0, busy_ = 0, round_ = 0;
  bool by_worker_ = false, stopping_ = false;
  std::vector<std::exception_ptr> failures_;
  std::vector<std::thread> threads_;
};

}  // namespace dsrl
