// The plugin's functions: sizes are checked, torch's current stream is found, a kernel is put on
// it. The only file that sees torch's CUDA headers.

#include "cuda/plugin.h"

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/headeronly/version.h>

#include <cstdio>
#include <stdexcept>
#include <string>

#include "cuda/launch.h"

namespace dsrl::cuda {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 31;
constexpr int64_t kMostBytes = int64_t{1} << 40;

int report(DsrlCudaError* error, const char* code, const char* message) noexcept {
  std::snprintf(error->code, sizeof error->code, "%s", code);
  std::snprintf(error->message, sizeof error->message, "%s", message);
  return 1;
}

/// No exception may leave the plugin; torch's are told by their first words, without a backtrace.
template <typename Body>
int guarded(DsrlCudaError* error, const char* code, Body body) noexcept {
  try {
    body();
    return 0;
  } catch (const c10::Error& failure) {
    return report(error, code, failure.what_without_backtrace());
  } catch (const std::exception& failure) {
    return report(error, code, failure.what());
  } catch (...) {
    return report(error, code, "unknown failure in the CUDA plugin");
  }
}

void succeed(cudaError_t status) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string("CUDA answers: ") + cudaGetErrorString(status));
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("the CUDA plugin was given ") + what);
}

bool within(int64_t value, int64_t from, int64_t to) {
  return value >= from && value <= to;
}

c10::DeviceIndex device_index(int32_t device) {
  require(within(device, 0, c10::cuda::device_count_ensure_non_zero() - 1),
          "a GPU that is not there");
  return static_cast<c10::DeviceIndex>(device);
}

/// Calls `launch` with torch's current stream of the GPU, which is the current one meanwhile.
template <typename Launch>
int launch_on(int32_t device, DsrlCudaError* error, Launch launch) noexcept {
  return guarded(error, "ERR_DSRL_CUDA_KERNEL", [&] {
    const c10::DeviceIndex index = device_index(device);
    const c10::cuda::CUDAGuard guard(index);
    succeed(launch(c10::cuda::getCurrentCUDAStream(index).stream()));
  });
}

int check(int32_t device, DsrlCudaError* error) {
  return guarded(error, "ERR_DSRL_CUDA_UNAVAILABLE", [&] {
    const c10::cuda::CUDAGuard guard(device_index(device));
    succeed(check_kernels());
  });
}

int normal(const DsrlCudaDraw* draw, int64_t rows, int64_t columns, float* out, int32_t device,
           DsrlCudaError* error) {
  return launch_on(device, error, [&](cudaStream_t stream) {
    require(within(rows, 0, kMostValues) && within(columns, 0, kMostValues), "a wrong shape");
    return launch_normals(*draw, rows, columns, out, stream);
  });
}

int below(const DsrlCudaDraw* draw, int64_t count, int64_t bound, int64_t* out, int32_t device,
          DsrlCudaError* error) {
  return launch_on(device, error, [&](cudaStream_t stream) {
    require(within(count, 0, kMostValues) && within(bound, 1, kMostValues), "a wrong range");
    return launch_below(*draw, count, bound, out, stream);
  });
}

int normalize(const uint8_t* bytes, int64_t count, float* out, int32_t device,
              DsrlCudaError* error) {
  return launch_on(device, error, [&](cudaStream_t stream) {
    require(within(count, 0, kMostBytes), "a wrong number of bytes");
    return launch_normalize(bytes, count, out, stream);
  });
}

}  // namespace
}  // namespace dsrl::cuda

extern "C" __attribute__((visibility("default"))) const DsrlCudaPlugin* dsrl_cuda_plugin() {
  using namespace dsrl::cuda;
  static const DsrlCudaPlugin plugin{sizeof(DsrlCudaPlugin),
                                     DSRL_CUDA_ABI,
                                     TORCH_VERSION,
                                     DSRL_CUDA_VERSION,
                                     check,
                                     normal,
                                     below,
                                     normalize};
  return &plugin;
}
