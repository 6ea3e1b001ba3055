#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "core/random/philox.h"
#include "cuda/plugin.h"

namespace dsrl {

/// Opens the kernels in `file` for the GPUs of this process, once and for good; libtorch_cuda has
/// been opened before. From then on random draws and frames on a GPU take one kernel each. Without
/// a plugin they take torch's own operators, which are the same numbers and some 400 launches more
/// an update.
///
/// Throws ERR_DSRL_CUDA_PLUGIN for a file that is not there, is no plugin, or was built for another
/// core; ERR_DSRL_CUDA_UNAVAILABLE where its kernels do not run on `device`. Neither changes
/// anything: torch's operators go on.
void open_cuda_plugin(const std::string& file, at::Device device);

/// The plugin that was opened, if `device` is a GPU; null: torch's own operators compute.
const DsrlCudaPlugin* cuda_plugin(at::Device device);

namespace detail {
/// What random_normal, random_below and normalize_frames do with a plugin, on its device.
at::Tensor normal_by(const DsrlCudaPlugin& plugin, const RandomStream& stream, int64_t step,
                     int64_t rows, int64_t columns, at::Device device, int64_t first_env);
at::Tensor below_by(const DsrlCudaPlugin& plugin, const RandomStream& stream, int64_t step,
                    int64_t count, int64_t bound, at::Device device);
at::Tensor normalize_by(const DsrlCudaPlugin& plugin, const at::Tensor& frames);
}  // namespace detail

}  // namespace dsrl
