#include "core/nn/config.h"

#include <string>

#include "core/error.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_CONFIG_NETWORK", message);
}

void require_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) {
    refuse(std::string(name) + " is " + std::to_string(value) + ", expected " +
           std::to_string(low) + " to " + std::to_string(high));
  }
}

}  // namespace

std::vector<int64_t> feature_map_sides(const NetworkConfig& config) {
  std::vector<int64_t> sides{config.image_size};
  for (size_t i = 0; i < config.image_kernels.size(); ++i) {
    const int64_t kernel = config.image_kernels[i];
    const int64_t padded = sides.back() + (kernel == 3 ? 2 : 0);
    sides.push_back(padded < kernel ? 0 : (padded - kernel) / config.image_strides[i] + 1);
  }
  return sides;
}

void validate(const NetworkConfig& config) {
  constexpr int64_t kWidest = 1 << 16;
  require_range("image_size", config.image_size, 0, 1024);
  require_range("image_latent_dim", config.image_latent_dim, 1, kWidest);
  require_range("state_dim", config.state_dim, 1, kWidest);
  require_range("state_latent_dim", config.state_latent_dim, 1, kWidest);
  require_range("noise_dim", config.noise_dim, 1, 1024);
  require_range("num_q_heads", config.num_q_heads, 1, 1000);
  if (!(config.noise_magnitude > 0.0) || config.noise_magnitude > 100.0) {
    refuse("noise_magnitude must lie in (0, 100]");
  }
  if (config.hidden_dims.empty()) refuse("hidden_dims is empty, expected at least one width");
  for (const int64_t width : config.hidden_dims) require_range("hidden_dims", width, 1, kWidest);
  if (!config.has_images()) return;

  const size_t layers = config.image_channels.size();
  if (layers == 0 || config.image_kernels.size() != layers ||
      config.image_strides.size() != layers) {
    refuse("image_channels, image_kernels and image_strides must be lists of equal length, found " +
           std::to_string(layers) + ", " + std::to_string(config.image_kernels.size()) + " and " +
           std::to_string(config.image_strides.size()) + " entries");
  }
  for (size_t i = 0; i < layers; ++i) {
    require_range("image_channels", config.image_channels[i], 1, 4096);
    require_range("image_strides", config.image_strides[i], 1, 64);
    const int64_t kernel = config.image_kernels[i];
    if (kernel < 1 || kernel > 64 || (kernel != 3 && kernel % 2 != 0)) {
      refuse("image_kernels holds " + std::to_string(kernel) +
             ", expected 3 (padding 1) or an even number (no padding)");
    }
  }
  if (feature_map_sides(config).back() < 1) {
    refuse("the image encoder leaves nothing of a frame of " + std::to_string(config.image_size) +
           " pixels: use smaller image_strides or fewer layers");
  }
}

}  // namespace dsrl
