#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/plugin.h"

namespace dsrl::cuda {

// What kernels.cu gives to plugin.cc. Sizes have been checked; the current device is the one that
// the memory and the stream belong to.
cudaError_t check_kernels();
cudaError_t launch_normals(const DsrlCudaDraw& draw, int64_t rows, int64_t columns, float* out,
                           cudaStream_t stream);
cudaError_t launch_below(const DsrlCudaDraw& draw, int64_t count, int64_t bound, int64_t* out,
                         cudaStream_t stream);
cudaError_t launch_normalize(const uint8_t* bytes, int64_t count, float* out, cudaStream_t stream);

}  // namespace dsrl::cuda
