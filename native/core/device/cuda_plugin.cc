#include "core/device/cuda_plugin.h"

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include <atomic>
#include <cstring>
#include <filesystem>

#include "core/error.h"

namespace dsrl {
namespace {

// Set once, before a learner or an agent exists; never closed.
std::atomic<const DsrlCudaPlugin*> opened = nullptr;

/// Runs a call of the plugin and throws what it reports.
template <typename Call>
void checked(Call call) {
  DsrlCudaError error{};
  if (call(&error) != 0) throw Error(error.code, error.message);
}

/// A tensor without an index lies on GPU 0.
int32_t index_of(const at::Tensor& tensor) {
  return tensor.device().has_index() ? tensor.device().index() : 0;
}

DsrlCudaDraw draw_of(const RandomStream& stream, int64_t step, int64_t first_env) {
  return {{stream.key()[0], stream.key()[1]},
          stream.name_hash(),
          static_cast<uint32_t>(step),
          static_cast<uint32_t>(first_env)};
}

}  // namespace

void open_cuda_plugin(const std::string& file, at::Device device) {
  const auto refuse = [](const std::string& why) { throw Error("ERR_DSRL_CUDA_PLUGIN", why); };
  if (!std::filesystem::exists(file)) refuse("there is no " + file);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse("the CUDA plugin cannot be opened: " + std::string(dlerror()));
  const auto entry =
      reinterpret_cast<decltype(&dsrl_cuda_plugin)>(dlsym(library, "dsrl_cuda_plugin"));
  const DsrlCudaPlugin* plugin = entry == nullptr ? nullptr : entry();
  if (plugin == nullptr || plugin->size != sizeof *plugin || plugin->abi != DSRL_CUDA_ABI) {
    refuse(file + " is of another version of this package");
  }
  if (std::strcmp(plugin->torch, TORCH_VERSION) != 0) {
    refuse(file + " was built for torch " + plugin->torch + ", and the core for " + TORCH_VERSION);
  }
  checked(
      [&](auto* error) { return plugin->check(device.has_index() ? device.index() : 0, error); });
  opened.store(plugin);
}

const DsrlCudaPlugin* cuda_plugin(at::Device device) {
  return device.is_cuda() ? opened.load(std::memory_order_acquire) : nullptr;
}

namespace detail {

at::Tensor normal_by(const DsrlCudaPlugin& plugin, const RandomStream& stream, int64_t step,
                     int64_t rows, int64_t columns, at::Device device, int64_t first_env) {
  at::Tensor out = at::empty({rows, columns}, at::TensorOptions(device).dtype(at::kFloat));
  const DsrlCudaDraw draw = draw_of(stream, step, first_env);
  checked([&](auto* error) {
    return plugin.normal(&draw, rows, columns, out.data_ptr<float>(), index_of(out), error);
  });
  return out;
}

at::Tensor below_by(const DsrlCudaPlugin& plugin, const RandomStream& stream, int64_t step,
                    int64_t count, int64_t bound, at::Device device) {
  at::Tensor out = at::empty({count}, at::TensorOptions(device).dtype(at::kLong));
  const DsrlCudaDraw draw = draw_of(stream, step, 0);
  checked([&](auto* error) {
    return plugin.below(&draw, count, bound, out.data_ptr<int64_t>(), index_of(out), error);
  });
  return out;
}

at::Tensor normalize_by(const DsrlCudaPlugin& plugin, const at::Tensor& frames) {
  const at::Tensor bytes = frames.contiguous();
  at::Tensor out = at::empty(bytes.sizes(), bytes.options().dtype(at::kFloat));
  checked([&](auto* error) {
    return plugin.normalize(bytes.const_data_ptr<uint8_t>(), bytes.numel(), out.data_ptr<float>(),
                            index_of(out), error);
  });
  return out.permute({0, 3, 1, 2});
}

}  // namespace detail
}  // namespace dsrl
