#include "addon/torch_threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

#include "core/error.h"

namespace dsrl::addon {
namespace {

// 0: nobody has asked, and the number follows the cores; where those were not told either,
// libtorch's own holds (that of OMP_NUM_THREADS).
std::atomic<int> asked{0};
std::atomic<int> available{0};

// Asked when the addon is loaded: later a learner that is made may have another number set.
int of_libtorch() {
  static const int count = at::get_num_threads();
  return count;
}

int operation_threads() {
  if (const int count = asked; count > 0) return count;
  const int cores = available;
  return cores > 0 ? std::max(1, cores - 1) : of_libtorch();
}

void check(int count) {
  if (count >= 1 && count <= 1024) return;
  throw Error("ERR_DSRL_THREADS", "the number of threads must lie in [1, 1024]");
}

}  // namespace

void set_torch_threads(int count) {
  check(count);
  asked = count;
  apply_torch_threads();
}

void set_default_torch_threads(int cores) {
  check(cores);
  available = cores;
  apply_torch_threads();
}

int update_threads() {
  if (const int count = asked; count > 0) return count;
  const int cores = available;
  return cores > 0 ? cores : of_libtorch();
}

void apply_torch_threads() {
  thread_local int applied = 0;
  const int count = operation_threads();
  if (count == applied) return;
  at::get_num_threads();  // the first question takes the number that was set last, by any thread
  at::set_num_threads(count);
  applied = count;
}

}  // namespace dsrl::addon
