#include "addon/torch_threads.h"

#include <ATen/Parallel.h>

#include <atomic>

#include "core/error.h"

namespace dsrl::addon {
namespace {

// 0: nobody has set one, and libtorch's own holds (that of OMP_NUM_THREADS).
std::atomic<int> wanted{0};

void check(int count) {
  if (count >= 1 && count <= 1024) return;
  throw Error("ERR_DSRL_THREADS", "the number of threads must lie in [1, 1024]");
}

}  // namespace

void set_torch_threads(int count) {
  check(count);
  wanted = count;
  apply_torch_threads();
}

void set_default_torch_threads(int count) {
  check(count);
  int unset = 0;
  wanted.compare_exchange_strong(unset, count);
  apply_torch_threads();
}

void apply_torch_threads() {
  thread_local int applied = 0;
  const int count = wanted;
  if (count == applied) return;
  at::set_num_threads(count);
  applied = count;
}

}  // namespace dsrl::addon
