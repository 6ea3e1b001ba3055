// The kernels: each thread calls a function of draws.h or frames.h, which ctest has checked. No
// torch header is seen here: one of them takes nvcc a minute.

#include <algorithm>

#include "cuda/draws.h"
#include "cuda/frames.h"
#include "cuda/launch.h"

namespace dsrl::cuda {
namespace {

constexpr int64_t kThreads = 128;
constexpr int64_t kMostBlocks = int64_t{1} << 20;  // beyond, a thread takes several parts

__device__ int64_t first_part() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ int64_t stride() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

__global__ void normals_kernel(DsrlCudaDraw draw, int64_t parts, int64_t columns, float* out) {
  for (int64_t i = first_part(); i < parts; i += stride()) draw_normals(draw, i, columns, out);
}

__global__ void below_kernel(DsrlCudaDraw draw, int64_t parts, int64_t count, int64_t bound,
                             int64_t* out) {
  for (int64_t i = first_part(); i < parts; i += stride()) draw_below(draw, i, count, bound, out);
}

__global__ void normalize_kernel(const uint8_t* bytes, int64_t count, float* out) {
  for (int64_t i = first_part(); i < count; i += stride()) out[i] = normalized(bytes[i]);
}

unsigned blocks_for(int64_t parts) {
  return static_cast<unsigned>(std::min((parts + kThreads - 1) / kThreads, kMostBlocks));
}

}  // namespace

cudaError_t check_kernels() {
  cudaFuncAttributes attributes;
  const cudaError_t status = cudaFuncGetAttributes(&attributes, normals_kernel);
  return status == cudaSuccess ? status : cudaGetLastError();  // which also forgets it
}

cudaError_t launch_normals(const DsrlCudaDraw& draw, int64_t rows, int64_t columns, float* out,
                           cudaStream_t stream) {
  const int64_t parts = rows * blocks_of(columns);
  if (parts == 0) return cudaSuccess;
  normals_kernel<<<blocks_for(parts), kThreads, 0, stream>>>(draw, parts, columns, out);
  return cudaGetLastError();
}

cudaError_t launch_below(const DsrlCudaDraw& draw, int64_t count, int64_t bound, int64_t* out,
                         cudaStream_t stream) {
  const int64_t parts = blocks_of(count);
  if (parts == 0) return cudaSuccess;
  below_kernel<<<blocks_for(parts), kThreads, 0, stream>>>(draw, parts, count, bound, out);
  return cudaGetLastError();
}

cudaError_t launch_normalize(const uint8_t* bytes, int64_t count, float* out, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  normalize_kernel<<<blocks_for(count), kThreads, 0, stream>>>(bytes, count, out);
  return cudaGetLastError();
}

}  // namespace dsrl::cuda
